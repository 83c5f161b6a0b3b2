import type { Case } from './case.ts'
import { type Estimate, type Ratio, ratioOf } from './estimate.ts'
import type { Results } from './results.ts'
import { type Summary, summarize } from './summary.ts'

/** A rate that is so near to its generator's own may be that one's, and the redirect faster. */
export const BOUNDED = 0.95

/** What a generator does alone, in frames per second; null where it was not measured. */
export function ceilingOf(
  results: Results,
  { size, cores }: Pick<Case, 'size' | 'cores'>,
  by = results.generator,
): Estimate | null {
  const found = results.ceilings.find(one => one.by === by && one.size === size && one.cores === cores)
  return found === undefined ? null : summarize(found.runs).rate
}

/** A case's rate as a part of its generator's ceiling. */
export function ofCeiling(results: Results, of: Case, { rate }: Summary): Ratio | null {
  const ceiling = ceilingOf(results, of)
  return ceiling === null || rate === null ? null : ratioOf(rate, ceiling)
}
