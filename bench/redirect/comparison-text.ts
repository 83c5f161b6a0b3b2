import { table } from '../text-table.ts'
import type { Compared, Comparison } from './compare.ts'
import { howOf, times, whatOf } from './words.ts'

/** The comparison for a terminal: a row for each case, then how many say what. */
export function renderComparison({ differences, rows, onlyBefore, onlyNow }: Comparison): string {
  return [
    'now over before',
    ...table(rows.map(compared => cellsOf(compared, 24))).map(line => `  ${line}`.trimEnd()),
    ...rows.filter(({ doubts }) => doubts.length > 0).map(doubtful),
    '',
    ...(differences.length === 0
      ? ['Both are of the same machine, kernel and settings, as far as they tell.']
      : ['They differ in more than the time:', ...differences.map(each => `  ${each}`)]),
    ...only('before', onlyBefore),
    ...only('now', onlyNow),
    tally(rows),
    '',
  ].join('\n')
}

/** What, the ratio, what it says. */
export function cellsOf({ case: each, ratio, says }: Compared, width = 0): [string, string, string] {
  return [`${whatOf(each)}: ${howOf(each)}`, ratio === null ? '–' : times(ratio), says.padEnd(width)]
}

export function doubtful({ case: each, doubts }: Compared): string {
  return `No conclusion for ${whatOf(each)}: ${howOf(each)}: ${doubts.join('; ')}.`
}

/** 'Of 96 cases: 90 no difference to be seen, 6 faster.' */
export function tally(rows: readonly Compared[]): string {
  const counts = new Map<string, number>()
  for (const { says } of rows) counts.set(says, (counts.get(says) ?? 0) + 1)
  const parts = [...counts].sort(([, a], [, b]) => b - a).map(([says, count]) => `${count} ${says}`)
  return `Of ${rows.length} ${rows.length === 1 ? 'case' : 'cases'}: ${parts.join(', ')}.`
}

function only(when: string, ids: readonly string[]): string[] {
  return ids.length === 0 ? [] : [`Measured ${when} only: ${ids.join(', ')}`]
}
