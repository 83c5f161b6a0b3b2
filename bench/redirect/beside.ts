import { type Ratio, ratioOf } from './estimate.ts'
import { idOf } from './matrix.ts'
import type { Results } from './results.ts'
import type { Sample } from './sample.ts'
import { type Summary, summarize } from './summary.ts'
import { coresOf, howOf, whatOf } from './words.ts'

/** What another program did in the same run, and ours over it. */
export interface Beside {
  readonly what: string
  readonly by: string
  readonly theirs: Summary
  readonly ours: Summary
  /** null where one of the two delivered nothing. */
  readonly ratio: Ratio | null
}

/** Generators first, then redirects. Where we did not do the same there is nothing to say. */
export function besideOthers({ generator, ceilings, cases, references }: Results): Beside[] {
  const generators = ceilings
    .filter(({ by }) => by !== generator)
    .flatMap(({ by, size, cores, runs }) => {
      const ours = ceilings.find(one => one.by === generator && one.size === size && one.cores === cores)
      return pair(`${generator} alone, ${size} bytes, ${coresOf(cores)}`, by, ours?.runs, runs)
    })
  const redirects = references.flatMap(({ by, case: each, runs }) => {
    const ours = cases.find(one => idOf(one.case) === idOf(each))
    return pair(`${howOf(each)}, ${whatOf(each)}`, by, ours?.runs, runs)
  })
  return [...generators, ...redirects]
}

function pair(what: string, by: string, own: readonly Sample[] = [], runs: readonly Sample[]): Beside[] {
  if (own.length === 0) return []
  const [ours, theirs] = [summarize(own), summarize(runs)]
  const ratio = ours.rate === null || theirs.rate === null ? null : ratioOf(ours.rate, theirs.rate)
  return [{ what, by, theirs, ours, ratio }]
}
