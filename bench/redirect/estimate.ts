import { type Spread, spread } from '../spread.ts'

/** How sure an interval must be of its median. Five repeats can be that sure: 93.75 %. */
const CONFIDENCE = 0.93

/**
 * What two runs of the same thing differ by, beyond what the repeats of one show, as a ratio: each run has its own
 * placement of pages and queues, and the machine its own day. --compare shows whether it is enough.
 */
export const RUN_TO_RUN = 0.03

/** What repeats say of a value. The value of a second run on the same machine lies from `low` to `high`, or nearly so. */
export interface Estimate extends Spread {
  readonly low: number
  readonly high: number
}

/**
 * The median of positive values, and how far it can be trusted: the interval between two of the values that holds the
 * true median whatever their distribution (the sign test's), widened by what runs differ by.
 */
export function estimate(values: readonly number[]): Estimate {
  const { median, min, max } = spread(values)
  if (median === 0) return { median, min, max, low: 0, high: max }
  const sorted = [...values].sort((a, b) => a - b)
  const outside = ranksOutside(values.length)
  const below = Math.hypot(Math.log(median / sorted[outside]!), RUN_TO_RUN)
  const above = Math.hypot(Math.log(sorted.at(-1 - outside)! / median), RUN_TO_RUN)
  return { median, min, max, low: median * Math.exp(-below), high: median * Math.exp(above) }
}

/**
 * How many values at either end can be left out so that those between still hold the median with CONFIDENCE. With fewer
 * than five values none, and they are less sure.
 */
export function ranksOutside(count: number): number {
  let outside = -1
  let tail = 0 // the chance that no more than `outside` values lie on one side of the median
  let exactly = 0.5 ** count
  while (1 - 2 * (tail + exactly) >= CONFIDENCE) {
    tail += exactly
    outside++
    exactly = (exactly * (count - outside)) / (outside + 1)
  }
  return Math.max(0, outside)
}

/** The greater distance of the median from an end of its interval, as a part of it: 0.02 is ± 2 %. */
export function uncertainty({ median, low, high }: Estimate): number {
  return median === 0 ? (high > 0 ? 1 : 0) : Math.max(high - median, median - low) / median
}

/** The same of what goes the other way: nanoseconds from a rate. */
export function inverse(of: Estimate, unit: number): Estimate {
  const { median, min, max, low, high } = of
  return { median: unit / median, min: unit / max, max: unit / min, low: unit / high, high: unit / low }
}

/** One over another, and the interval of that: the two are independent of each other. */
export interface Ratio {
  readonly ratio: number
  readonly low: number
  readonly high: number
}

export function ratioOf(of: Estimate, to: Estimate): Ratio {
  const ratio = of.median / to.median
  const below = Math.hypot(Math.log(of.median / of.low), Math.log(to.high / to.median))
  const above = Math.hypot(Math.log(of.high / of.median), Math.log(to.median / to.low))
  return { ratio, low: ratio * Math.exp(-below), high: ratio * Math.exp(above) }
}
