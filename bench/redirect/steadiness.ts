import { spread } from '../spread.ts'

/** Whether values rise or fall with time. */
export interface Drift {
  /** From the first value to the last, along the line that fits them, as a part of their median. */
  readonly change: number
  /** How often values without any drift would be in an order as uneven as this. */
  readonly chance: number
}

/** So seldom by chance that it counts. Five values reach it when each is greater than the one before. */
const SELDOM = 0.02

/** The line of Theil and Sen, which no single odd value moves, and Kendall's test. Values in the order of time. */
export function driftOf(values: readonly number[]): Drift {
  const slopes: number[] = []
  let rises = 0
  for (let later = 1; later < values.length; later++) {
    for (let earlier = 0; earlier < later; earlier++) {
      const rise = values[later]! - values[earlier]!
      slopes.push(rise / (later - earlier))
      rises += Math.sign(rise)
    }
  }
  const { median } = spread(values)
  if (slopes.length === 0 || median === 0) return { change: 0, chance: 1 }
  const change = (spread(slopes).median * (values.length - 1)) / median
  return { change, chance: chanceOf(Math.abs(rises), values.length) }
}

/** Whether a drift is both more than `most` and more than chance. */
export function drifts({ change, chance }: Drift, most: number): boolean {
  return Math.abs(change) > most && chance <= SELDOM
}

/** How often `count` values in random order rise, less fall, by `rises` pairs or more, either way. */
function chanceOf(rises: number, count: number): number {
  if (rises === 0) return 1
  if (count > 60) return normalTails((rises - 1) / Math.sqrt((count * (count - 1) * (2 * count + 5)) / 18))
  // orders[k]: the part of all orders that have k pairs the wrong way round.
  let orders = [1]
  for (let size = 2; size <= count; size++) {
    const next = new Array<number>(orders.length + size - 1).fill(0)
    orders.forEach((part, wrong) => {
      for (let more = 0; more < size; more++) next[wrong + more]! += part / size
    })
    orders = next
  }
  const most = ((count * (count - 1)) / 2 - rises) / 2
  return Math.min(1, 2 * orders.slice(0, Math.floor(most) + 1).reduce((sum, part) => sum + part, 0))
}

/** Both tails of the normal distribution beyond `z`. Abramowitz and Stegun, 26.2.17. */
function normalTails(z: number): number {
  const t = 1 / (1 + 0.2316419 * z)
  const series = [1.330274429, -1.821255978, 1.781477937, -0.356563782, 0.31938153]
  const sum = series.reduce((total, factor) => (total + factor) * t, 0)
  return (2 * sum * Math.exp((-z * z) / 2)) / Math.sqrt(2 * Math.PI)
}
