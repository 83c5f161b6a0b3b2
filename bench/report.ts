import { cpus, release } from 'node:os'
import type { Responsiveness, Waiting } from './contention.ts'
import type { LoopDelay } from './loop-watch.ts'
import type { Taken } from './rounds.ts'
import { type Spread, spread } from './spread.ts'

/** The one document of --json. What is added later leaves `version`; what changes its meaning raises it. */
export interface Report {
  readonly schema: 'veth-nl/bench-netlink'
  readonly version: 1
  readonly machine: {
    readonly kernel: string
    readonly node: string
    readonly cpu: string
    readonly cpus: number
  }
  /** Links in the namespace, lo included; rounds that were counted; requests for one link in each. */
  readonly links: number
  readonly rounds: number
  readonly gets: number
  /** One link by name, and all links: nanoseconds, over the rounds. The first is the limit that ratios are to. */
  readonly taken: readonly Taken[]
  /** The longest that a dump by promises held the event loop at a stretch, in each round; milliseconds. */
  readonly holds: readonly LoopDelay[]
  /** While others change links; each repeated. */
  readonly contention: readonly Contention[]
  readonly bounds: readonly Bound[]
}

export interface Contention {
  readonly meanwhile: string
  /** Milliseconds; see Responsiveness. */
  readonly waiting: Waiting
  readonly repeats: readonly Responsiveness[]
}

/** A promise of the library's. Only ratios and delays are promised: times are the machine's. */
export interface Bound {
  readonly what: string
  readonly unit: 'x' | 'ms'
  readonly value: number
  readonly most: number
  readonly pass: boolean
}

export function bound(what: string, unit: Bound['unit'], value: number, most: number): Bound {
  return { what, unit, value, most, pass: value <= most }
}

export function machine(): Report['machine'] {
  const all = cpus()
  return {
    kernel: release(),
    node: process.version,
    cpu: all[0]?.model.trim() ?? 'unknown',
    cpus: all.length,
  }
}

export function asText({ machine, links, rounds, gets, taken, holds, contention, bounds }: Report): string {
  const limit = taken[0]!
  return [
    `Linux ${machine.kernel}, Node ${machine.node}, ${machine.cpus} × ${machine.cpu}`,
    '',
    ...table([
      [`one link by name, ${rounds} × ${gets}`, 'median µs', 'min – max', 'ratio'],
      ...taken.map(one => row(one.name, one.getLink, limit.getLink, 1e3)),
    ]),
    '',
    ...table([
      [`all ${links} links, ${rounds} ×`, 'median ms', 'min – max', 'ratio'],
      ...taken.map(one => row(one.name, one.listLinks, limit.listLinks, 1e6)),
    ]),
    holdLine(holds),
    '',
    ...table([
      [
        'requests + fs.stat waiting',
        'lasted ms',
        'answered',
        'slowest ms',
        'loop p99 ms',
        'longest ms',
        'of it held ms',
        'fs.stat ms',
      ],
      ...contention.map(contentionRow),
    ]),
    'median | maximum of the runs. loop: gaps between two looks, which are 1 ms apart at best: 99 of 100, and the longest.',
    'held: what the program itself held at most, without what the machine is late by',
    '',
    ...table(
      bounds.map(({ what, unit, value, most, pass }) => [
        what,
        `${fixed(value)} ${unit}`,
        `at most ${brief(most)} ${unit}`,
        pass ? 'pass' : 'FAIL',
      ]),
    ),
    '',
  ].join('\n')
}

function row(name: string, time: Spread, limit: Spread, unit: number): string[] {
  return [name, fixed(time.median / unit), range(time, unit), `${fixed(time.median / limit.median)} x`]
}

function holdLine(holds: readonly LoopDelay[]): string {
  const gap = spread(holds.map(({ delay }) => delay))
  const held = spread(holds.map(one => one.held))
  return (
    `by promises, the longest gap between two turns of the event loop: ${fixed(gap.median)} ms (${range(gap, 1)}), ` +
    `held by the program ${fixed(held.median)} ms (${range(held, 1)})`
  )
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

function range({ min, max }: Spread, unit: number): string {
  return `${fixed(min / unit)} – ${fixed(max / unit)}`
}

function fixed(value: number): string {
  return value.toFixed(2)
}

function brief(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1)
}

/** Columns as wide as their widest: words to the left, numbers to the right. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(cells => cells[column]!.length)))
  return rows.map(cells =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
      .join('  '),
  )
}
