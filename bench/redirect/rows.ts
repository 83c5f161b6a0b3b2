import type { Case } from './case.ts'
import { BOUNDED, ceilingOf, ofCeiling } from './ceiling.ts'
import { type Estimate, type Ratio, ratioOf } from './estimate.ts'
import type { CaseResult, Results } from './results.ts'
import { LEAST_REPEATS, type Summary, summarize } from './summary.ts'
import { frames, howOf, partOf, whatOf } from './words.ts'

/** What every form of the report says of a case. */
export interface Row {
  readonly case: Case
  /** 'native, GRO at peer'. */
  readonly how: string
  /** null where it was not run. */
  readonly summary: Summary | null
  /** In place of a rate: 'EOPNOTSUPP', 'lost, no errno', 'not run'; null where there is one. */
  readonly failure: string | null
  /** The rate over that of generic mode with a plain peer in the same group; null for that one itself. */
  readonly toGeneric: Ratio | null
  /** Whether there is a rate that allows a conclusion. */
  readonly concluded: boolean
  /** Sentences that the reader must know. */
  readonly notes: readonly string[]
}

/** Cases that differ in mode and peer only. */
export interface Group {
  /** '64 bytes, bpf_redirect, 1 core'; of another machine's traffic 'as sent, bpf_redirect'. */
  readonly what: string
  readonly of: Pick<Case, 'size' | 'via' | 'cores'>
  /** What the generator does alone. */
  readonly ceiling: Estimate | null
  readonly rows: readonly Row[]
}

export function groupsOf(results: Results): Group[] {
  const groups = new Map<string, CaseResult[]>()
  for (const each of results.cases) {
    const what = whatOf(each.case)
    groups.set(what, [...(groups.get(what) ?? []), each])
  }
  return [...groups].map(([what, members]) => {
    const { size, via, cores } = members[0]!.case
    const summaries = members.map(({ runs }) => (runs.length === 0 ? null : summarize(runs)))
    const generic =
      summaries[members.findIndex(({ case: { mode, peer } }) => mode === 'generic' && peer === 'plain')]
    const rows = members.map((member, at) => rowOf(results, member, summaries[at]!, generic ?? null))
    return {
      what,
      of: { size, via, cores },
      ceiling: ceilingOf(results, { size, cores })?.rate ?? null,
      rows,
    }
  })
}

function rowOf(results: Results, member: CaseResult, summary: Summary | null, generic: Summary | null): Row {
  const { rate = null, doubts = [] } = summary ?? {}
  const concluded = rate !== null && doubts.length === 0
  const comparable = concluded && summary !== generic && generic?.rate && generic.doubts.length === 0
  return {
    case: member.case,
    how: howOf(member.case),
    summary,
    failure: rate === null ? failureOf(member, summary) : null,
    toGeneric: comparable ? ratioOf(rate, generic.rate!) : null,
    concluded,
    notes: summary === null ? [`not run: ${member.notRun}`] : notesOf(results, member, summary),
  }
}

function failureOf({ explained: { reason }, traced }: CaseResult, summary: Summary | null): string {
  if (summary === null) return 'not run'
  const seen = [...(traced ?? [])].sort((a, b) => b.frames - a.frames).find(({ code }) => code !== null)
  return seen?.code ?? reason?.code ?? 'lost, no errno'
}

function notesOf(results: Results, member: CaseResult, summary: Summary): string[] {
  const { repeats, sent, delivered, drops, unexplained, rate, doubts } = summary
  // Of too few repeats the whole report warns: they are too few for every case.
  const notes = repeats < LEAST_REPEATS ? [] : doubts.map(doubt => `no conclusion: ${doubt}`)
  const { reason } = member.explained
  const part = ofCeiling(results, member.case, summary)
  if (part !== null && part.ratio >= BOUNDED) {
    notes.push(`bounded by its generator: ${(100 * part.ratio).toFixed(0)} % of what that does alone`)
  }
  if (delivered > 0 && delivered < sent) {
    const places = drops.map(({ where, frames: lost }) => `${where} ${frames(lost)}`)
    notes.push(
      `${partOf(sent - delivered, sent)} of the frames lost: ${places.join(', ') || 'no counter shows where'}`,
    )
  }
  if (Math.abs(unexplained) > unseen(results) * sent) {
    const excess =
      unexplained < 0 ? 'too many arrived or were counted as lost' : 'are accounted for by no counter'
    notes.push(`of ${frames(sent)} frames ${frames(Math.abs(unexplained))} ${excess}`)
  }
  if (rate === null && reason === null) notes.push('nothing arrived, though it was predicted to')
  if (rate !== null && reason !== null) notes.push(`arrives; the verdict was: ${reason.summary}`)
  return notes
}

/** Which part of the frames can be on its way: traffic of another machine goes on while one counter after the other is read. */
function unseen({ generator }: Results): number {
  return generator === 'external' ? 0.01 : 0
}

/** Why nothing arrived, each reason once, with the cases it is said of. */
export function reasonsOf({ cases }: Results): { summary: string; of: string[] }[] {
  const reasons = new Map<string, string[]>()
  for (const { case: each, explained, runs } of cases) {
    if (explained.reason === null || runs.some(({ delivered }) => delivered > 0)) continue
    const { summary } = explained.reason
    const of = reasons.get(summary) ?? []
    reasons.set(summary, of.includes(howOf(each)) ? of : [...of, howOf(each)])
  }
  return [...reasons].map(([summary, of]) => ({ summary, of }))
}
