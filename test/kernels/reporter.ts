/** A reporter of node:test, for --test-reporter: one Outcome a line. */
import { relative } from 'node:path'
import type { TestEvent } from 'node:test/reporters'
import { inspect } from 'node:util'
import type { Outcome } from './outcomes.ts'

export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const names: string[] = []
  for await (const { type, data } of events) {
    if (type === 'test:start') names[data.nesting] = data.name
    if (type !== 'test:pass' && type !== 'test:fail') continue
    const { details, nesting, skip } = data
    const error = type === 'test:fail' ? data.details.error : undefined
    const skipped = skip !== undefined && skip !== false
    const own = (error as { failureType?: string } | undefined)?.failureType !== 'subtestsFailed'
    if (details.type === 'suite' ? !skipped && (error === undefined || !own) : !own) continue
    const outcome: Outcome = {
      file: data.file === undefined ? '' : relative(process.cwd(), data.file),
      name: [...names.slice(0, nesting), data.name],
      outcome: skipped ? 'skipped' : error === undefined ? 'passed' : 'failed',
      why: skipped
        ? typeof skip === 'string'
          ? skip
          : ''
        : error === undefined
          ? ''
          : inspect(error.cause ?? error),
      milliseconds: Math.round(details.duration_ms),
    }
    yield `${JSON.stringify(outcome)}\n`
  }
}
