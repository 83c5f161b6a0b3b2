import { count, type KernelResult, type Outcome, predicted, skipReasons } from './outcomes.ts'

/** For people: what failed in full, why tests were skipped, and a line for each kernel. */
export function asText(results: readonly KernelResult[]): string {
  const failures = results.flatMap(({ release, tests, failure }) => [
    ...(failure === null ? [] : [`${release}: ${failure}`]),
    ...tests.filter(({ outcome }) => outcome === 'failed').map(test => failed(release, test)),
  ])
  const skips = results.flatMap(({ release, tests }) => [
    `skipped on ${release}`,
    ...skipReasons(tests).map(([reason, tests]) => `${String(tests).padStart(6)}  ${reason}`),
    '',
  ])
  const rows = [
    ['kernel', 'passed', 'failed', 'skipped', 'scenarios', 'seconds'],
    ...results.map(({ release, tests, seconds }) => [
      release,
      ...(['passed', 'failed', 'skipped'] as const).map(each => String(count(tests, each))),
      predicted(tests),
      String(seconds),
    ]),
  ]
  return `${[...failures.flatMap(failure => [failure, '']), ...skips, ...table(rows)].join('\n')}\n`
}

function failed(release: string, { file, name, why }: Outcome): string {
  return `${release}: ${[file, ...name].join(' > ')}\n${why.replace(/^/gm, '  ')}`
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, at) => Math.max(...rows.map(row => row[at]!.length)))
  return rows.map(row =>
    row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]! + 2))).join(''),
  )
}
