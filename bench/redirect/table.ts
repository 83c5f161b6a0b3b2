import { table } from '../text-table.ts'
import { type Beside, besideOthers } from './beside.ts'
import type { Estimate, Ratio } from './estimate.ts'
import type { Results } from './results.ts'
import { type Group, groupsOf, type Row, reasonsOf } from './rows.ts'
import { settingOf, warningsOf } from './setting.ts'
import type { Summary } from './summary.ts'
import { brieflyOf, partOf, perSecond, plusMinus, threeDigits, times } from './words.ts'

/** How the terminal looks: columns, and whether it shows colours. */
export interface Look {
  readonly width: number
  readonly color: boolean
}

/** Of a stream that may be a terminal; https://no-color.org. */
export function lookOf(stream: { isTTY?: boolean; columns?: number }, env = process.env): Look {
  const terminal = stream.isTTY === true
  return {
    width: (terminal && stream.columns) || 100,
    color: terminal && !env.NO_COLOR && env.TERM !== 'dumb',
  }
}

const LEGEND =
  'The peer is plain (as the kernel makes it), has GRO on, or a native program that passes or drops all frames. ± is ' +
  'where a second run would lie; to generic: over generic mode with a plain peer.'
/** Bars that are shorter say nothing; longer ones tire the eye. */
const [SHORTEST, LONGEST] = [8, 50]
const STYLES = { native: 34, generic: 33, failure: 31, note: 2 } as const

/** The whole report for a terminal. */
export function renderTable(results: Results, look: Look): string {
  const groups = groupsOf(results)
  const beside = besideOthers(results)
  const note = (text: string) => styled(wrapped(text, '    ', look.width), 'note', look)
  return [
    ...settingOf(results).map(line => wrapped(line, '', look.width)),
    ...warningsOf(results).map(line => styled(wrapped(`Note: ${line}`, '', look.width), 'failure', look)),
    '',
    wrapped(LEGEND, '', look.width),
    '',
    ...tableOf(groups, look, note),
    ...reasonsOf(results).flatMap(({ summary, of }) => [
      wrapped(`${of.join('; ')}:`, '', look.width),
      note(summary),
      '',
    ]),
    ...(beside.length === 0 ? [] : ['Ours over what other programs did in the same run:']),
    ...beside.map(each => wrapped(besideLine(each), '  ', look.width)),
    ...(beside.length === 0 ? [] : ['']),
  ].join('\n')
}

/** A column, and from which width of the terminal on it is shown. */
interface Column {
  readonly head: string
  readonly from: number
  readonly cell: (row: Row, summary: Summary) => string
}

const COLUMNS: readonly Column[] = [
  { head: 'arrived', from: 0, cell: (_, { delivered, sent }) => partOf(delivered, sent) },
  { head: 'frames/s', from: 0, cell: ({ failure }, { rate }) => failure ?? rateOf(rate?.median) },
  {
    head: '',
    from: 0,
    cell: ({ concluded }, { rate }) => (rate === null ? '' : concluded ? plusMinus(rate) : '?'),
  },
  { head: 'min – max', from: 120, cell: (_, { rate }) => (rate === null ? '' : rangeOf(rate)) },
  {
    head: 'ns',
    from: 0,
    cell: (_, { nsPerPacket }) => (nsPerPacket === null ? '' : threeDigits(nsPerPacket.median)),
  },
  { head: 'kernel ns', from: 90, cell: (_, { kernelNsPerPacket }) => threeDigits(kernelNsPerPacket) },
  { head: 'to generic', from: 72, cell: ({ toGeneric }) => (toGeneric === null ? '' : ratioIn(toGeneric)) },
]

function tableOf(groups: readonly Group[], look: Look, note: (text: string) => string): string[] {
  const shown = COLUMNS.filter(({ from }) => look.width >= from)
  const rows = groups.flatMap(group => group.rows)
  const cells = rows.map(row => [
    brieflyOf(row.case),
    ...shown.map(({ cell }) => (row.summary === null ? '–' : cell(row, row.summary))),
  ])
  const [head, ...lines] = table([['mode    peer', ...shown.map(column => column.head)], ...cells]).map(
    line => `  ${line}`,
  )
  const room = Math.min(LONGEST, look.width - head!.length - 2)
  const longest = Math.max(...rows.map(({ summary }) => summary?.rate?.median ?? 0))
  const drawn = ({ summary, failure, case: { mode } }: Row, line: string) => {
    if (failure !== null) return styled(line.trimEnd(), 'failure', look)
    const part = summary!.rate!.median / longest
    return room < SHORTEST ? line.trimEnd() : `${line}  ${styled(bar(part, room), mode, look)}`
  }
  let at = 0
  return groups.flatMap(({ what, ceiling, rows: own }) => [
    wrapped(ceiling === null ? what : `${what}; the generator alone ${rateWith(ceiling)}`, '', look.width),
    head!.trimEnd(),
    ...own.flatMap(row => [drawn(row, lines[at++]!), ...row.notes.map(note)]),
    '',
  ])
}

function besideLine({ what, by, ratio }: Beside): string {
  return `${ratio === null ? 'one of the two delivers nothing' : times(ratio)} ${by}: ${what}`
}

function rateWith(rate: Estimate): string {
  return `${perSecond(rate.median)} ${plusMinus(rate)}`
}

function ratioIn({ ratio, low, high }: Ratio): string {
  return low <= 1 && high >= 1 ? '≈ 1 ×' : `${ratio.toFixed(2)} ×`
}

function rangeOf({ min, max }: Estimate): string {
  return `${perSecond(min)} – ${perSecond(max)}`
}

function rateOf(rate: number | undefined): string {
  return rate === undefined ? '–' : perSecond(rate)
}

/** Of blocks of an eighth: U+2588 to U+258F. */
export function bar(part: number, width: number): string {
  const eighths = Math.max(1, Math.round(8 * width * part))
  const rest = eighths % 8
  return '█'.repeat(eighths >> 3) + (rest === 0 ? '' : String.fromCodePoint(0x2590 - rest))
}

function styled(text: string, style: keyof typeof STYLES, { color }: Look): string {
  return color ? `\x1b[${STYLES[style]}m${text}\x1b[0m` : text
}

/** Lines of up to `width` characters, indented. */
function wrapped(text: string, indent: string, width: number): string {
  const lines: string[] = []
  let line = indent
  for (const word of text.split(' ')) {
    if (line.length > indent.length && line.length + 1 + word.length > width) {
      lines.push(line)
      line = indent
    }
    line += line.length === indent.length ? word : ` ${word}`
  }
  return [...lines, line].join('\n')
}
