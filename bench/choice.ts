import { type Contestant, OURS_PROMISES, OURS_SYNC } from './contestant.ts'
import type { What } from './works.ts'

/** What is measured besides the works, by the names that --only knows. */
export const PARTS = ['holds', 'contention', 'verdicts', 'cold-start', 'memory'] as const
export type Part = (typeof PARTS)[number]
/** Those that are of peers too. */
const OF_PEERS: readonly Part[] = ['cold-start', 'memory']

/** What --only leaves: a text that names contestants chooses among them, any other among works and parts. */
export interface Choice {
  /** The limit is always among them. */
  readonly contestants: readonly Contestant[]
  readonly work: (id: string) => boolean
  /** Whether one of the contestants does it. */
  readonly does: (what: What) => boolean
  readonly part: (name: Part) => boolean
}

export function chosen(only: readonly string[], all: readonly Contestant[]): Choice {
  const names = (text: string) => all.some(({ name }) => name.includes(text))
  const [rivals, works] = [only.filter(names), only.filter(text => !names(text))]
  const isRival = ({ name }: Contestant) => rivals.length === 0 || rivals.some(text => name.includes(text))
  const work = (id: string) => works.length === 0 || works.some(text => id.includes(text))
  const ours = all.some(one => isRival(one) && (one.name === OURS_SYNC || one.name === OURS_PROMISES))
  const contestants = all.filter((one, at) => at === 0 || isRival(one))
  return {
    contestants,
    work,
    does: what => contestants.some(({ can }) => can.includes(what)),
    part: name => (ours || OF_PEERS.includes(name)) && work(name),
  }
}
