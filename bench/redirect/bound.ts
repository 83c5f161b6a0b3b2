import { type Estimate, estimate, uncertainty } from './estimate.ts'
import { idOf } from './matrix.ts'
import { WITH_LIBBPF } from './oracle.ts'
import type { Results } from './results.ts'
import type { Sample } from './sample.ts'
import { LEAST_REPEATS, MOST_UNCERTAIN } from './summary.ts'
import { howOf, whatOf } from './words.ts'

/** What ours must reach of the same done by a C program with libbpf. */
const LEAST_OF_C = 0.95

interface Bound {
  readonly what: string
  /** Ours over theirs. */
  readonly ratio: Estimate
  /** null: it is too uncertain to tell, or the repeats are too few. */
  readonly holds: boolean | null
}

/** The promises that this run can judge. */
export function boundsOf({ generator, ceilings, cases, references }: Results): Bound[] {
  const generators = ceilings.flatMap(({ by, size, cores, runs }) => {
    if (by !== WITH_LIBBPF) return []
    const ours = ceilings.find(one => one.by === generator && one.size === size && one.cores === cores)
    return boundOf(`${generator} alone`, ours?.runs ?? [], runs)
  })
  const redirects = references.flatMap(({ by, case: each, runs }) => {
    if (by !== WITH_LIBBPF) return []
    const ours = cases.find(one => idOf(one.case) === idOf(each))
    return boundOf(`${howOf(each)}, ${whatOf(each)}`, ours?.runs ?? [], runs)
  })
  return [...generators, ...redirects]
}

/** Run by run, as theirs comes right beside ours: what the machine does meanwhile falls on both. */
function boundOf(what: string, ours: readonly Sample[], theirs: readonly Sample[]): Bound[] {
  const rate = ({ delivered, nanoseconds }: Sample) => delivered / nanoseconds
  const ratios = ours.flatMap((own, at) => {
    const other = theirs[at]
    return other === undefined || other.delivered === 0 ? [] : [rate(own) / rate(other)]
  })
  if (ratios.length === 0) return []
  const ratio = estimate(ratios)
  return [{ what, ratio, holds: ratios.length < LEAST_REPEATS ? null : holds(ratio) }]
}

/** Where the median reaches it; an interval that the bound lies in must be narrow for that. */
function holds(ratio: Estimate): boolean | null {
  if (ratio.high < LEAST_OF_C) return false
  const isSure = ratio.low >= LEAST_OF_C || uncertainty(ratio) <= MOST_UNCERTAIN
  return isSure && ratio.median >= LEAST_OF_C ? true : null
}

export function lineOf({ what, ratio: { median, low, high }, holds }: Bound): string {
  const says = holds === null ? 'TOO UNCERTAIN TO TELL' : holds ? 'holds' : 'DOES NOT HOLD'
  const values = `${median.toFixed(2)} × (${low.toFixed(2)} – ${high.toFixed(2)})`
  return `${what}: ${values} ${WITH_LIBBPF}, at least ${LEAST_OF_C} ×: ${says}`
}
