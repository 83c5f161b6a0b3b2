import { spread } from '../spread.ts'
import { RUN_TO_RUN } from './estimate.ts'
import type { Results } from './results.ts'
import { type Drift, driftOf, drifts } from './steadiness.ts'

/**
 * Whether the machine became faster or slower while the benchmark ran, which the few repeats of one case cannot show: all
 * rates in the order of time, each as a part of its case's median.
 */
export function driftOfMachine({ cases }: Results): Drift {
  const runs = cases.flatMap(({ runs }) => {
    const rates = runs.map(run => run.delivered / run.nanoseconds)
    const { median } = spread(rates)
    return median > 0 ? runs.map((run, at) => ({ turn: run.turn, part: rates[at]! / median })) : []
  })
  return driftOf(runs.sort((a, b) => a.turn - b.turn).map(({ part }) => part))
}

export function machineDrifts(results: Results): boolean {
  return drifts(driftOfMachine(results), RUN_TO_RUN)
}
