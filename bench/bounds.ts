import type { ColdStart } from './cold-start.ts'
import type { Contention } from './contention.ts'
import type { Holds } from './holds.ts'
import { OURS_PROMISES, OURS_SYNC } from './ours.ts'
import type { Taken } from './rounds.ts'
import { spread } from './spread.ts'
import type { ManyVerdicts } from './sweep.ts'

/** A promise of the library's. Only ratios, delays and sizes are promised: times are the machine's. */
export interface Bound {
  readonly what: string
  readonly unit: 'x' | 'ms' | 'bytes' | 'µs'
  readonly value: number
  readonly most: number
  readonly pass: boolean
}

export function bound(what: string, unit: Bound['unit'], value: number, most: number): Bound {
  return { what, unit, value, most, pass: value <= most }
}

/** What was measured; what was left out promises nothing. */
export interface Measured {
  readonly taken: readonly Taken[]
  readonly holds: Holds | null
  readonly contention: readonly Contention[]
  readonly verdicts: ManyVerdicts | null
  readonly coldStart: ColdStart | null
  readonly memory: { readonly links: number; readonly bytesPerLink: number } | null
}

const LIBNL = 'libnl'

export function boundsOf(
  { taken, holds, contention, verdicts, coldStart, memory }: Measured,
  sizes: readonly number[],
): Bound[] {
  const [few, middle, most] = [sizes[0]!, sizes[sizes.length >> 1]!, sizes.at(-1)!]
  const median = (id: string, name: string) =>
    taken.find(one => one.id === id)?.rows.find(row => row.name === name)?.median
  const limit = (id: string) => taken.find(one => one.id === id)?.rows[0]?.median
  const bounds: Bound[] = []
  const add = (what: string, unit: Bound['unit'], value: number | undefined, at: number) => {
    if (value !== undefined && !Number.isNaN(value)) bounds.push(bound(what, unit, value, at))
  }
  const over = (a: number | undefined, b: number | undefined) =>
    a === undefined || b === undefined ? undefined : a / b
  const ratio = (id: string, name = OURS_SYNC) => over(median(id, name), limit(id))

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
  if (verdicts !== null) {
    const { pairs, namespaces, oneByOne, roundTrip } = verdicts
    const where = `${pairs} pairs, ${namespaces} namespaces`
    add(`a verdict of many, in round trips: ${where}`, 'x', oneByOne.median / roundTrip.median, 12)
  }
  if (holds !== null) {
    const held = (repeats: Holds['dump']) => spread(repeats.map(one => one.held)).median
    add('one link by name, promises: longest hold of the loop', 'ms', held(holds.get), 1)
    add(`${holds.links} links by promises: longest hold of the loop`, 'ms', held(holds.dump), 5)
  }
  if (contention.length > 0) {
    const disturbed = contention.filter(one => one.waiting.requests > 0 && one.disturbing)
    const loop = disturbed.map(({ repeats }) => spread(repeats.map(one => one.loopP99)).median)
    const stat = disturbed.map(({ repeats }) => spread(repeats.map(one => one.stat)).max)
    add('loop delay under contention, p99', 'ms', Math.max(...loop), 5)
    add('fs.stat under contention, slowest', 'ms', Math.max(...stat), 30)
  }
  if (coldStart !== null) {
    add('cold start, sync, to an empty module', 'x', coldStart.sync.median / coldStart.empty.median, 1.3)
    add(
      'cold start, promises, to an empty module',
      'x',
      coldStart.promises.median / coldStart.empty.median,
      1.3,
    )
  }
  if (memory !== null) add(`retained per link, of ${memory.links}`, 'bytes', memory.bytesPerLink, 2048)
  return bounds
}
