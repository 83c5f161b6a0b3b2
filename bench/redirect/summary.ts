import { spread } from '../spread.ts'
import { type Estimate, estimate, inverse, uncertainty } from './estimate.ts'
import type { Sample } from './sample.ts'
import { type Drift, driftOf, drifts } from './steadiness.ts'

/** Fewer repeats allow no conclusion: their interval would be surer than they are. */
export const LEAST_REPEATS = 5
/** A rate that is less certain than this allows no conclusion; 0.15 is ± 15 %. */
export const MOST_UNCERTAIN = 0.15
/** A rate that rises or falls by more from the first repeat to the last is not steady. */
export const MOST_DRIFT = 0.05

/** What the repeats of a case say. Frames are of all repeats together. */
export interface Summary {
  readonly repeats: number
  readonly sent: number
  readonly delivered: number
  /** By place, most first. */
  readonly drops: readonly { readonly where: string; readonly frames: number }[]
  /** sent - delivered - drops: 0 where every frame is accounted for. */
  readonly unexplained: number
  /** Frames per second that the generator sent, delivered or not. */
  readonly offered: Estimate
  /** Frames per second that arrived; null where none did. */
  readonly rate: Estimate | null
  /** Nanoseconds per frame that arrived: 1e9 / rate. */
  readonly nsPerPacket: Estimate | null
  /** CPU time of all CPUs in the kernel, per frame that was sent, arrived or not; nanoseconds. */
  readonly kernelNsPerPacket: number
  /** Of the rate over the repeats. */
  readonly drift: Drift
  /** Why the rate allows no conclusion; empty where it does. */
  readonly doubts: readonly string[]
}

/** Samples in the order of time, at least one; `steady` false: its rate had not settled before it ended. */
export function summarize(samples: readonly (Sample & { readonly steady?: boolean })[]): Summary {
  const total = (count: (sample: Sample) => number) => samples.reduce((sum, one) => sum + count(one), 0)
  const perSecond = samples.map(one => (1e9 * one.delivered) / one.nanoseconds)
  const [sent, delivered] = [total(one => one.sent), total(one => one.delivered)]
  const drops = dropsOf(samples)
  const rate = delivered === 0 ? null : estimate(perSecond)
  const drift = driftOf(perSecond)
  return {
    repeats: samples.length,
    sent,
    delivered,
    drops,
    unexplained: sent - delivered - drops.reduce((sum, { frames }) => sum + frames, 0),
    offered: estimate(samples.map(one => (1e9 * one.sent) / one.nanoseconds)),
    rate,
    nsPerPacket: rate === null || rate.low === 0 ? null : inverse(rate, 1e9),
    kernelNsPerPacket: spread(samples.map(one => one.kernelNanoseconds / Math.max(1, one.sent))).median,
    drift,
    doubts: rate === null ? [] : doubtsOf(samples, rate, drift),
  }
}

function doubtsOf(samples: readonly { steady?: boolean }[], rate: Estimate, drift: Drift): string[] {
  const repeats = samples.length
  if (repeats < LEAST_REPEATS) return [`${repeats} of the ${LEAST_REPEATS} repeats that are needed`]
  const doubts: string[] = []
  const unsettled = samples.filter(({ steady }) => steady === false).length
  if (2 * unsettled > repeats) doubts.push(`${unsettled} of ${repeats} runs were not steady`)
  const uncertain = uncertainty(rate)
  if (uncertain > MOST_UNCERTAIN) {
    doubts.push(`uncertain by ${percent(uncertain)}, more than ${percent(MOST_UNCERTAIN)}`)
  }
  if (drifts(drift, MOST_DRIFT)) {
    doubts.push(
      `not steady: ${drift.change > 0 ? '+' : ''}${percent(drift.change)} from first to last repeat`,
    )
  }
  return doubts
}

function percent(part: number): string {
  return `${(100 * part).toFixed(0)} %`
}

function dropsOf(samples: readonly Sample[]): Summary['drops'] {
  const places = new Map<string, number>()
  for (const { where, frames } of samples.flatMap(({ drops }) => drops)) {
    places.set(where, (places.get(where) ?? 0) + frames)
  }
  return [...places]
    .filter(([, frames]) => frames !== 0)
    .map(([where, frames]) => ({ where, frames }))
    .sort((a, b) => b.frames - a.frames)
}
