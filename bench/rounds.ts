import { listLinks } from '../src/index.ts'
import type { NetnsHandle } from '../src/sync.ts'
import type { Contestant } from './contestant.ts'
import { type LoopDelay, watchLoop } from './loop-watch.ts'
import { type Spread, spread } from './spread.ts'

/** Each round begins cold for everyone: the first ones also compile what is hot. */
const WARM_UP = 3

export interface Plan {
  readonly rounds: number
  /** Requests for one link in each round. */
  readonly gets: number
}

/** What one contestant took, in nanoseconds. */
export interface Taken {
  readonly name: string
  readonly getLink: Spread
  readonly listLinks: Spread
}

/**
 * Everyone in turn (A B C A B C …), so that what else the machine does falls on all alike. A round's value for
 * one link is the mean of its requests: garbage collection is part of it.
 */
export async function runRounds(
  all: readonly Contestant[],
  { rounds, gets }: Plan,
  progress: (done: number) => void,
): Promise<Taken[]> {
  const taken = all.map(contestant => ({ contestant, getLink: [] as number[], listLinks: [] as number[] }))
  for (let round = -WARM_UP; round < rounds; round++) {
    for (const { contestant, getLink } of taken) {
      const each = await contestant.getLink(gets)
      if (round >= 0) getLink.push(each)
    }
    for (const { contestant, listLinks } of taken) {
      const each = await contestant.listLinks()
      if (round >= 0) listLinks.push(each)
    }
    progress(round + 1)
  }
  return taken.map(({ contestant, getLink, listLinks }) => ({
    name: contestant.name,
    getLink: spread(getLink),
    listLinks: spread(listLinks),
  }))
}

/** How long a dump by promises holds the event loop at a stretch, in each round. */
export async function runHolds(netns: NetnsHandle, rounds: number): Promise<LoopDelay[]> {
  const holds: LoopDelay[] = []
  for (let round = 0; round < rounds; round++) holds.push(await watchLoop('turn', () => listLinks({ netns })))
  return holds
}
