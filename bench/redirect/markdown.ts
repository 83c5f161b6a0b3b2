import { besideOthers } from './beside.ts'
import type { Comparison } from './compare.ts'
import { cellsOf as comparedCells, doubtful, tally } from './comparison-text.ts'
import type { Results } from './results.ts'
import { type Group, groupsOf, type Row, reasonsOf } from './rows.ts'
import { settingOf, warningsOf } from './setting.ts'
import { frames, partOf, perSecond, plusMinus, threeDigits, times } from './words.ts'

/** report.md. `charts`: file names beside it, in order. */
export function renderMarkdown(
  results: Results,
  charts: readonly string[],
  comparison: Comparison | null = null,
): string {
  const groups = groupsOf(results)
  return [
    '# Native against generic redirect into a veth',
    '',
    ...settingOf(results).map(line => `- ${escaped(line)}`),
    '',
    ...warningsOf(results).map(line => `**Note:** ${escaped(line)}.\n`),
    ...charts.flatMap(file => [`![Frames per second that arrive: ${file.replace('.svg', '')}](${file})`, '']),
    ...groups.flatMap(groupSection),
    ...reasonSection(results),
    ...lossSection(groups),
    ...besideSection(results),
    ...(comparison === null ? [] : comparisonSection(comparison)),
    ...machineSection(results),
  ].join('\n')
}

function groupSection({ what, ceiling, rows }: Group): string[] {
  return [
    `## ${what}`,
    '',
    ...(ceiling === null
      ? []
      : [`The generator alone: ${perSecond(ceiling.median)} ${plusMinus(ceiling)}.`, '']),
    ...tableOf(
      ['', 'arrived', 'frames/s', '±', 'min – max', 'ns', 'kernel ns', 'sent/s', 'to generic, plain peer'],
      rows.map(cellsOf),
      1,
    ),
    ...rows.flatMap(({ how, notes }) => notes.map(note => `- ${how}: ${escaped(note)}`)),
    ...(rows.some(({ notes }) => notes.length > 0) ? [''] : []),
  ]
}

function cellsOf({ how, summary, failure, concluded, toGeneric }: Row): string[] {
  if (summary === null) return [how, '–', failure ?? '', '', '', '', '', '', '']
  const { rate, nsPerPacket, kernelNsPerPacket, offered, delivered, sent } = summary
  return [
    how,
    partOf(delivered, sent),
    rate === null ? `**${failure}**` : perSecond(rate.median),
    rate === null ? '' : concluded ? plusMinus(rate) : 'no conclusion',
    rate === null ? '' : `${perSecond(rate.min)} – ${perSecond(rate.max)}`,
    nsPerPacket === null ? '' : threeDigits(nsPerPacket.median),
    threeDigits(kernelNsPerPacket),
    perSecond(offered.median),
    toGeneric === null ? '' : times(toGeneric),
  ]
}

function reasonSection(results: Results): string[] {
  const reasons = reasonsOf(results)
  if (reasons.length === 0) return []
  const items = reasons.map(({ summary, of }) => `- ${of.join('; ')}: ${escaped(summary)}`)
  return ['## Why nothing arrives', '', ...items, '']
}

function lossSection(groups: readonly Group[]): string[] {
  const rows = groups.flatMap(({ what, rows: own }) =>
    own.flatMap(({ how, summary }) =>
      (summary?.drops ?? []).map(({ where, frames: lost }) => [`${what}: ${how}`, where, frames(lost)]),
    ),
  )
  return rows.length === 0
    ? []
    : ['## Frames lost, by counter', '', ...tableOf(['', 'counter', 'frames'], rows, 2)]
}

function besideSection(results: Results): string[] {
  const rows = besideOthers(results).map(({ what, by, theirs, ours, ratio }) => [
    what,
    by,
    theirs.rate === null ? '0' : perSecond(theirs.rate.median),
    ours.rate === null ? '0' : perSecond(ours.rate.median),
    ratio === null ? '' : times(ratio),
  ])
  if (rows.length === 0) return []
  return [
    '## Beside other programs, in the same run',
    '',
    ...tableOf(['', 'by', 'theirs', 'ours', 'ours / theirs'], rows, 2),
  ]
}

function comparisonSection(comparison: Comparison): string[] {
  const { rows, differences } = comparison
  return [
    '## Compared with an earlier run',
    '',
    ...differences.map(each => `- ${escaped(each)}`),
    ...(differences.length === 0 ? [] : ['']),
    ...tableOf(
      ['', 'now / before', ''],
      rows.map(row => comparedCells(row)),
    ),
    ...rows.filter(({ doubts }) => doubts.length > 0).map(row => `- ${doubtful(row)}`),
    tally(rows),
    '',
  ]
}

function machineSection({ machine, path: { nic } }: Results): string[] {
  const told = (value: string | number | boolean | null) => (value === null ? 'not told' : `${value}`)
  const facts: [string, string][] = [
    ['kernel', `${machine.kernel} ${machine.build ?? ''}`.trim()],
    ['CPU', `${machine.cpus} × ${machine.cpu}`],
    ['several threads of a core (SMT)', told(machine.smt)],
    ['isolated CPUs', told(machine.isolated) || 'none'],
    ['virtual machine', told(machine.virtual)],
    ['governor', told(machine.governor)],
    ...Object.entries(machine.mitigations ?? { mitigations: 'not told' }),
    ['Node', machine.node],
    ['NIC', `${nic.name}, MTU ${nic.mtu}`],
    ['driver', `${told(nic.driver)} ${nic.driverVersion ?? ''}`.trim()],
    ['bus', nic.bus ?? 'none told'],
    [
      'queues',
      nic.queues === null
        ? 'not told'
        : `rx ${nic.queues.rx}, tx ${nic.queues.tx}, combined ${nic.queues.combined}`,
    ],
    ['offloads in effect', nic.offloads === null ? 'not told' : nic.offloads.join(' ')],
  ]
  return ['## The machine', '', ...tableOf(['', ''], facts)]
}

/** Columns from `numbers` on stand to the right. */
function tableOf(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  numbers = heads.length,
): string[] {
  const line = (cells: readonly string[]) => `| ${cells.map(escaped).join(' | ')} |`
  return [
    line(heads),
    `|${heads.map((_, at) => (at < numbers ? ' --- ' : ' --: ')).join('|')}|`,
    ...rows.map(line),
    '',
  ]
}

/** What Markdown would take for its own. */
function escaped(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;')
}
