import type { Case } from './case.ts'
import { differencesOf } from './differences.ts'
import { type Ratio, ratioOf } from './estimate.ts'
import { idOf } from './matrix.ts'
import type { CaseResult, Results } from './results.ts'
import { type Summary, summarize } from './summary.ts'

export type Says =
  | 'faster'
  | 'slower'
  | 'no difference to be seen'
  | 'delivers now'
  | 'delivers no more'
  | 'delivers in neither'
  | 'no conclusion'

export interface Compared {
  readonly case: Case
  readonly says: Says
  /** The new rate over the old one, and where it lies; null where one of them is 0, or not to be concluded from. */
  readonly ratio: Ratio | null
  /** Why there is no conclusion. */
  readonly doubts: readonly string[]
}

export interface Comparison {
  /** What else is different than what is to be compared: 'kernel: 6.12.1 before, 6.18.44 now'. */
  readonly differences: readonly string[]
  readonly rows: readonly Compared[]
  /** Cases that only one of the two has, by id. */
  readonly onlyBefore: readonly string[]
  readonly onlyNow: readonly string[]
}

/**
 * Two runs, case by case. @throws TypeError where their rates are not of the same thing: another generator, another kind
 * of scene, or no case in common.
 */
export function compareResults(before: Results, now: Results): Comparison {
  refuse('generator', before.generator, now.generator)
  refuse('scene', before.path.scene, now.path.scene)
  const [old, fresh] = [byId(before), byId(now)]
  const rows = [...fresh].flatMap(([id, one]) => {
    const other = old.get(id)
    return other === undefined ? [] : [compareCase(one, other)]
  })
  if (rows.length === 0) throw new TypeError('the two runs have no case in common')
  return {
    differences: differencesOf(before, now),
    rows,
    onlyBefore: [...old.keys()].filter(id => !fresh.has(id)),
    onlyNow: [...fresh.keys()].filter(id => !old.has(id)),
  }
}

function refuse(what: string, before: string, now: string): void {
  if (before === now) return
  throw new TypeError(`the runs cannot be compared: ${what} '${before}' before, '${now}' now`)
}

function byId({ cases }: Results): Map<string, CaseResult> {
  return new Map(cases.filter(({ runs }) => runs.length > 0).map(one => [idOf(one.case), one]))
}

function compareCase(now: CaseResult, before: CaseResult): Compared {
  const [fresh, old] = [summarize(now.runs), summarize(before.runs)]
  const without = (says: Says, doubts: readonly string[] = []) => ({
    case: now.case,
    says,
    ratio: null,
    doubts,
  })
  if (fresh.rate === null && old.rate === null) return without('delivers in neither')
  if (fresh.rate === null) return without('delivers no more')
  if (old.rate === null) return without('delivers now')
  const doubts = [...doubtsOf('before', old), ...doubtsOf('now', fresh)]
  if (doubts.length > 0) return without('no conclusion', doubts)
  const ratio = ratioOf(fresh.rate, old.rate)
  const says = ratio.low > 1 ? 'faster' : ratio.high < 1 ? 'slower' : 'no difference to be seen'
  return { case: now.case, says, ratio, doubts }
}

function doubtsOf(when: string, { doubts }: Summary): string[] {
  return doubts.map(doubt => `${when} ${doubt}`)
}
