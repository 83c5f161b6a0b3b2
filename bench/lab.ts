import { createNetns, createVethPair, listLinks, type NetnsHandle } from '../src/sync.ts'

/** A veth between two namespaces: when it is gone from one of them, the other's links have been deleted. */
export const CANARY = 'canary'

/** The names of a pair's two ends. */
export function endsOf(pair: number): { name: string; peer: string } {
  return { name: `a${pair}`, peer: `b${pair}` }
}

/**
 * A namespace with this many veth pairs, all down, and nothing else but lo. Only a descriptor of this process
 * holds it: it goes with the process, however that ends.
 */
export function makeLab(pairs: number, progress: (made: number) => void = () => {}): NetnsHandle {
  const netns = createNetns()
  for (let pair = 0; pair < pairs; pair++) {
    createVethPair({ netns, ...endsOf(pair) })
    progress(pair + 1)
  }
  return netns
}

/** All links of the namespace, as a check that the benchmark reads what it says it reads. */
export function countLinks(netns: NetnsHandle): number {
  return listLinks({ netns }).length
}
