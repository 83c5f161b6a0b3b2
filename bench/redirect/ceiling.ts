import type { Case } from './case.ts'
import { type Ratio, ratioOf } from './estimate.ts'
import type { Results } from './results.ts'
import { type Summary, summarize } from './summary.ts'

/** A rate that is so near to its generator's own may be that one's, and the redirect faster. */
export const BOUNDED = 0.95

/** What the generator does alone; null where it was not measured. */
export function ceilingOf(results: Results, { size, cores }: Pick<Case, 'size' | 'cores'>): Summary | null {
  const { generator, ceilings } = results
  const found = ceilings.find(one => one.by === generator && one.size === size && one.cores === cores)
  return found === undefined ? null : summarize(found.runs)
}

/** A case's rate as a part of its generator's ceiling; null where one of the two allows no conclusion. */
export function ofCeiling(results: Results, of: Case, { rate, doubts }: Summary): Ratio | null {
  const ceiling = ceilingOf(results, of)
  if (rate === null || doubts.length > 0 || !ceiling?.rate || ceiling.doubts.length > 0) return null
  return ratioOf(rate, ceiling.rate)
}
