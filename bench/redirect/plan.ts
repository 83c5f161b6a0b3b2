import type { Case } from './case.ts'
import type { Oracle } from './oracle.ts'

/** What is to be measured, and how. */
export interface Plan {
  readonly cases: readonly Case[]
  readonly repeats: number
  /** Of each sample, without warm-up and preparations. */
  readonly milliseconds: number
  /** Of the order of the runs. */
  readonly seed: number
  /** In the order in which they are taken: of a case with one core the first one sends. */
  readonly cpus: readonly number[]
  /** Other programs that do the same beside us. */
  readonly oracles: readonly Oracle[]
  readonly signal: AbortSignal
}
