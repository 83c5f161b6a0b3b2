/** What one test did; a whole suite where that is skipped, or fails by itself. */
export interface Outcome {
  /** Relative to the checkout. */
  readonly file: string
  /** Suites outermost first, then the test. */
  readonly name: readonly string[]
  readonly outcome: 'passed' | 'failed' | 'skipped'
  /** The reason of a skip, the error of a failure, else ''. */
  readonly why: string
  readonly milliseconds: number
}

/** What all tests did on one kernel. */
export interface KernelResult {
  /** As uname -r tells it. */
  readonly release: string
  readonly seconds: number
  readonly tests: readonly Outcome[]
  /** Why the run as a whole is worth nothing: the machine did not boot, or not all tests ran. Else null. */
  readonly failure: string | null
  /** Null where they were not asked for. */
  readonly capabilities: readonly Capability[] | null
}

/** One thing that was tried on a kernel. */
export interface Capability {
  readonly what: string
  /** 'yes', 'no', or what came of it: 'ENXIO'. */
  readonly found: string
  /** The message of the error that made it a no, else null. */
  readonly error: string | null
}

/** Whole lines of NDJSON so far; the rest of a line that is still being written waits. */
export class OutcomeLines {
  readonly outcomes: Outcome[] = []
  #rest = ''

  /** What is new. */
  add(text: string): Outcome[] {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop()!
    const fresh = lines.map(line => JSON.parse(line) as Outcome)
    this.outcomes.push(...fresh)
    return fresh
  }
}

export function count(tests: readonly Outcome[], outcome: Outcome['outcome']): number {
  return tests.filter(test => test.outcome === outcome).length
}

export function isGood({ failure, tests }: KernelResult): boolean {
  return failure === null && tests.length > 0 && count(tests, 'failed') === 0
}

/** How many tests were skipped for each reason, the most frequent first. */
export function skipReasons(tests: readonly Outcome[]): [reason: string, tests: number][] {
  const reasons = new Map<string, number>()
  for (const { outcome, why } of tests)
    if (outcome === 'skipped') reasons.set(why, (reasons.get(why) ?? 0) + 1)
  return [...reasons].sort(([, a], [, b]) => b - a)
}

/** Of the scenarios that were measured without this library, how many a verdict had right: '16 of 16'. */
export function predicted(tests: readonly Outcome[]): string {
  const scenarios = tests.filter(
    ({ file, name }) => MEASURED.test(file) && name.at(-1)!.startsWith('the verdict'),
  )
  return `${count(scenarios, 'passed')} of ${scenarios.length}`
}
const MEASURED = /redirect-measured\.test\.[jt]s$/
