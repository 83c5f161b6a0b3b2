import type { ColdStart } from './cold-start.ts'
import type { Contention } from './contention.ts'
import { OURS_PROMISES, OURS_SYNC, RAW_C } from './contestant.ts'
import type { Held, Holds } from './holds.ts'
import type { Memory } from './memory.ts'
import type { Taken } from './rounds.ts'
import { spread } from './spread.ts'
import type { ManyVerdicts } from './sweep.ts'

/** A promise of the library's. Only ratios, delays and sizes are promised: times are the machine's. */
export interface Bound {
  /** What is promised; of ratios, that of two medians; else with the statistic that `value` is. */
  readonly what: string
  readonly unit: 'x' | 'ms' | 'bytes' | 'µs'
  readonly value: number
  readonly most: number
  readonly pass: boolean
  /** The worst that was seen, where `value` is a median or leaves the longest out. */
  readonly worst?: number
}

/** One of which nobody knows whether it holds, as what `lacks` names was not measured. */
export interface Unjudged extends Omit<Bound, 'value' | 'pass' | 'worst'> {
  readonly value: null
  readonly pass: false
  readonly lacks: string
}

export function bound(what: string, unit: Bound['unit'], value: number, most: number): Bound {
  return { what, unit, value, most, pass: value <= most }
}

/** What was measured. */
export interface Measured {
  readonly taken: readonly Taken[]
  readonly holds: Holds | null
  readonly contention: readonly Contention[]
  readonly verdicts: ManyVerdicts | null
  readonly coldStart: ColdStart | null
  readonly memory: Memory | null
}

/** A number; else the words of what is missing, or null where that was left out on purpose. */
type Value = number | string | null

const LIBNL = 'libnl'

/**
 * `complete`: everything was wanted, so that what is not there is missing. Else works and parts that are not there promise
 * nothing.
 */
export function boundsOf(
  { taken, holds, contention, verdicts, coldStart, memory }: Measured,
  sizes: readonly number[],
  complete: boolean,
): (Bound | Unjudged)[] {
  const [few, middle, most] = [sizes[0]!, sizes[sizes.length >> 1]!, sizes.at(-1)!]
  const absent = (id: string): Value => (complete ? id : null)
  const median = (id: string, name: string): Value => {
    const work = taken.find(one => one.id === id)
    if (work === undefined) return absent(id)
    return work.rows.find(row => row.name === name)?.median ?? `${name} in ${id}`
  }
  const limit = (id: string) => median(id, RAW_C)
  const ratio = (id: string, name = OURS_SYNC) => over(median(id, name), limit(id))
  const bounds: (Bound | Unjudged)[] = []
  const add = (what: string, unit: Bound['unit'], value: Value, at: number, worst?: number) => {
    if (value === null) return
    if (typeof value === 'string' || !Number.isFinite(value)) {
      const lacks = typeof value === 'string' ? value : 'values'
      bounds.push({ what, unit, value: null, most: at, pass: false, lacks })
    } else {
      bounds.push({ ...bound(what, unit, value, at), ...(worst !== undefined && { worst }) })
    }
  }

  add(`${middle} links, one by one, not kept, sync`, 'x', ratio(`visit-${middle}`), 1.25)
  add(`${middle} links, kept, sync`, 'x', ratio(`links-${middle}`), 1.6)
  add(
    'the same, to libnl',
    'x',
    over(median(`links-${middle}`, OURS_SYNC), median(`links-${middle}`, LIBNL)),
    1,
  )
  add(`${middle} links, names and indexes, kept, sync`, 'x', ratio(`names-${middle}`), 1.15)
  add(
    `ratio at ${most} links to that at ${few}`,
    'x',
    over(ratio(`links-${most}`), ratio(`links-${few}`)),
    1.2,
  )
  add('one link by name, sync', 'x', ratio('by-name'), 1.5)
  add('the same, to libnl', 'x', over(median('by-name', OURS_SYNC), median('by-name', LIBNL)), 1)
  add('one link by name, promises', 'x', ratio('by-name', OURS_PROMISES), 8)
  add("a veth's peer, sync, in round trips", 'x', over(median('peer', OURS_SYNC), limit('by-name')), 4)

  const among = verdicts && `: ${verdicts.pairs} pairs, ${verdicts.namespaces} namespaces`
  add(
    `a verdict of many, in round trips${among ?? ''}`,
    'x',
    verdicts ? verdicts.oneByOne.median / verdicts.roundTrip.median : absent('verdicts'),
    12,
  )

  const hold = (what: string, of: 'get' | 'dump', at: number) => {
    const held = holds && heldBy(holds[of])
    add(`${what}: longest hold, median of the rounds`, 'ms', held?.median ?? absent('holds'), at, held?.max)
  }
  hold('one link by name, promises', 'get', 1)
  hold(`${holds?.links ?? most} links by promises`, 'dump', 5)

  const disturbed = contention.filter(one => one.waiting.requests > 0 && one.disturbing)
  const felt = contention.length === 0 ? absent('contention') : null
  const p99 = disturbed.map(({ repeats }) => spread(repeats.map(one => one.loopP99)).median)
  const longest = disturbed.map(({ repeats }) => spread(repeats.map(one => one.loopDelay)).max)
  const stat = disturbed.map(({ repeats }) => spread(repeats.map(one => one.stat)).max)
  const contended = contention.length > 0
  add(
    'loop delay under contention: 99 of 100, median of the runs',
    'ms',
    contended ? Math.max(...p99) : felt,
    5,
    Math.max(...longest),
  )
  add('fs.stat under contention: slowest of all runs', 'ms', contended ? Math.max(...stat) : felt, 30)

  const node = coldStart?.find(({ runtime }) => runtime === 'Node')
  const start = (name: string): Value => {
    if (coldStart === null) return absent('cold-start')
    const row = node?.rows.find(one => one.name === name)
    return row ? row.asks.median / node!.empty.median : `${name} in cold-start`
  }
  add('cold start, sync, to an empty module', 'x', start(OURS_SYNC), 1.3)
  add('cold start, promises, to an empty module', 'x', start(OURS_PROMISES), 1.3)

  const kept = memory?.rows.find(one => one.name === OURS_SYNC)?.heap?.median ?? `${OURS_SYNC} in memory`
  const where = `heap retained per link, of ${memory?.links ?? middle}`
  add(where, 'bytes', memory ? kept : absent('memory'), 2048)
  return bounds
}

/** Whether one fails; in a complete run also whether one could not be judged. */
export function broken(bounds: readonly (Bound | Unjudged)[], complete: boolean): boolean {
  return bounds.some(({ pass, value }) => !pass && (complete || value !== null))
}

export function heldBy({ rounds }: Held) {
  return spread(rounds.map(one => one.held))
}

function over(a: Value, b: Value): Value {
  if (a === null || b === null) return null
  if (typeof a === 'string') return a
  return typeof b === 'string' ? b : a / b
}
