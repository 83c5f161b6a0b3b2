import type { ColdStart } from './cold-start.ts'
import type { Contention, Responsiveness } from './contention.ts'
import type { Held, Holds } from './holds.ts'
import type { Memory } from './memory.ts'
import type { Report } from './report.ts'
import type { Taken } from './rounds.ts'
import { type Spread, spread } from './spread.ts'
import type { ManyVerdicts } from './sweep.ts'
import { table } from './text-table.ts'

/** The report for people: a table for each work, and what was found out besides. */
export function asText(report: Report): string {
  const { machine, missing, taken, holds, contention, verdicts, coldStart, memory, bounds } = report
  return [
    `Linux ${machine.kernel}, Node ${machine.node}, ${machine.cpus} × ${machine.cpu}`,
    ...missing.map(({ name, install }) => `left out: ${name} is missing; ${install}`),
    '',
    ...taken.flatMap(one => [...work(one), '']),
    ...(holds === null ? [] : [...holdsTable(holds), '']),
    ...(contention.length === 0 ? [] : [...contentionTable(contention), '']),
    ...(verdicts === null ? [] : [...verdictTable(verdicts), '']),
    ...(coldStart === null ? [] : [...coldTable(coldStart), '']),
    ...(memory === null ? [] : [...memoryTable(memory), '']),
    ...boundsTable(bounds),
    '',
  ].join('\n')
}

function work(taken: Taken): string[] {
  const fastest = Math.min(...taken.rows.map(({ median }) => median))
  const [unit, name] = fastest >= 1e6 ? [1e6, 'ms'] : [1e3, 'µs']
  return [
    `${taken.title}; ratio to ${taken.basis}`,
    ...table([
      [`turns of ${taken.repeats}`, `median ${name}`, 'min – max', 'ratio', 'turns'],
      ...taken.rows.map(row => [
        row.name,
        fixed(row.median / unit),
        range(row, unit),
        `${fixed(row.ratio)} x`,
        `${row.rounds}`,
      ]),
    ]),
  ]
}

function holdsTable({ links, idle, get, dump }: Holds): string[] {
  const row = (what: string, { first, rounds }: Held) => {
    const gap = spread(rounds.map(({ delay }) => delay))
    const held = spread(rounds.map(one => one.held))
    const warm = [fixed(gap.median), range(gap, 1), fixed(held.median), range(held, 1)]
    return [what, ...warm, fixed(first.delay), fixed(first.held)]
  }
  return table([
    [
      'longest gap between two turns of the event loop',
      'median ms',
      'min – max',
      'of it held ms',
      'min – max',
      'first round ms',
      'of it held ms',
    ],
    row('a program that only waits', idle),
    row('one link by name by promises, a turn of them', get),
    row(`${links} links by promises`, dump),
  ])
}

function contentionTable(contention: readonly Contention[]): string[] {
  const columns = [
    'lasted ms',
    'answered',
    'slowest ms',
    'loop p99 ms',
    'longest ms',
    'of it held ms',
    'fs.stat ms',
  ]
  return [
    ...table([['requests + fs.stat waiting', ...columns], ...contention.map(contentionRow)]),
    'median | maximum of the runs. loop: gaps between two looks, which are 1 ms apart at best: 99 of 100, and the longest.',
    'held: what the program itself held at most, without what the machine is late by',
  ]
}

function contentionRow({ waiting, meanwhile, repeats }: Contention): string[] {
  const of = (field: keyof Responsiveness) => {
    const { median, max } = spread(repeats.map(felt => felt[field]))
    return `${brief(median)} | ${brief(max)}`
  }
  return [
    `${waiting.requests} + ${waiting.files}, ${meanwhile}`,
    of('lasted'),
    of('answered'),
    of('slowest'),
    of('loopP99'),
    of('loopDelay'),
    of('loopHeld'),
    of('stat'),
  ]
}

function verdictTable({ pairs, namespaces, roundTrip, first, oneByOne, sweep }: ManyVerdicts): string[] {
  const row = (what: string, time: Spread) => [
    what,
    fixed(time.median / 1e3),
    range(time, 1e3),
    `${fixed(time.median / roundTrip.median)} x`,
  ]
  return table([
    [
      `a verdict of many: ${pairs} pairs in ${namespaces} namespaces, sync`,
      'median µs',
      'min – max',
      'ratio',
    ],
    row('one link by name, raw C, not decoded', roundTrip),
    row('explainRedirect(), one after the other', oneByOne),
    row('the same, the first on each: cold, once', spread([first])),
    row("listVethPairs({ netns: 'all' }), both ends", sweep),
  ])
}

function coldTable(coldStart: ColdStart): string[] {
  return table([
    [
      'a process that asks for one link',
      'median ms',
      'min – max',
      'ratio',
      'of it the import ms',
      'min – max',
    ],
    ...coldStart.flatMap(({ runtime, empty, rows }) => {
      const row = (name: string, time: Spread, imports: Spread | null) => [
        name,
        fixed(time.median / 1e6),
        range(time, 1e6),
        `${fixed(time.median / empty.median)} x`,
        ...(imports ? [fixed(imports.median / 1e6), range(imports, 1e6)] : ['', '']),
      ]
      return [
        row(`${runtime}: one that does nothing`, empty, null),
        ...rows.map(({ name, asks, imports }) => row(name, asks, imports)),
      ]
    }),
  ])
}

function memoryTable({ links, rows }: Memory): string[] {
  const bytes = (value: number) => value.toFixed(0)
  return table([
    [
      `memory of a link that is kept, every field decoded, of ${links}`,
      'resident, bytes',
      'min – max',
      'heap',
    ],
    ...rows.map(({ name, resident, heap }) => [
      name,
      bytes(resident.median),
      `${bytes(resident.min)} – ${bytes(resident.max)}`,
      heap ? bytes(heap.median) : '',
    ]),
  ])
}

function boundsTable(bounds: Report['bounds']): string[] {
  const row = (one: Report['bounds'][number]) => {
    const { what, unit, most, value } = one
    const bound = `at most ${most} ${unit}`
    if (value === null) return [what, '–', '', bound, `not measured: ${one.lacks}`]
    const worst = one.worst === undefined ? '' : fixed(one.worst)
    return [what, `${fixed(value)} ${unit}`, worst, bound, one.pass ? 'pass' : 'FAIL']
  }
  return table([
    ['what is promised; x: ratios of medians', 'value', 'longest', 'bound', ''],
    ...bounds.map(row),
  ])
}

function range({ min, max }: Spread, unit: number): string {
  return `${fixed(min / unit)} – ${fixed(max / unit)}`
}

function fixed(value: number): string {
  return value.toFixed(2)
}

function brief(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1)
}
