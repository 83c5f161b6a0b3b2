import { createNetns, createVethPair, device, type NetnsHandle } from '../src/sync.ts'
import { countLinks, endsOf, makeLab } from './lab.ts'
import { progressOf } from './progress.ts'

/** Where a work is done, the same place for everyone, and what it is done to. */
export interface Scene {
  readonly netns: NetnsHandle
  /** Where a veth's peer is; else the same. */
  readonly other: NetnsHandle
  /** Links in the namespace, lo included. */
  readonly links: number
  /** The link that is asked for, or that is made; and the peer that is made with it. */
  readonly name: string
  readonly index: number
  readonly peer: string
}

/** A namespace of so many links (an odd number: lo and pairs), of which one in the middle is asked for. */
export function manyLinks(links: number): Scene {
  const pairs = links >> 1
  const netns = makeLab(pairs, progressOf(`pairs made for ${links} links`, pairs))
  const found = countLinks(netns)
  if (found !== links) throw new Error(`${found} links, where ${links} were made`)
  const { name, peer } = endsOf(pairs >> 1)
  return { netns, other: netns, links, name, index: device(name, { netns }).getLink().index, peer }
}

/** Two namespaces with a veth pair between them. */
export function acrossNetns(name: string, up: boolean): Scene {
  const [netns, other] = [createNetns(), createNetns()]
  const end = { up, addrGenMode: 'none' } as const
  const [veth] = createVethPair({ name, netns, ...end, peer: { name: 'eth0', netns: other, ...end } })
  return { netns, other, links: countLinks(netns), name, index: veth.getLink().index, peer: 'eth0' }
}

/** An empty namespace, to make a pair in. */
export function emptyNetns(): Scene {
  const netns = createNetns()
  return { netns, other: netns, links: countLinks(netns), name: 'made0', index: 0, peer: 'made1' }
}
