import type { Link } from '../rtnetlink/link.ts'
import { type AddrGenMode, checkLinkChange } from '../rtnetlink/link-change.ts'
import {
  deleteLink,
  getLink,
  listLinks,
  newLink,
  setAddrGenMode,
  setLink,
} from '../rtnetlink/link-operations.ts'
import type { DeviceRef } from '../wire/device-ref.ts'
import { NetlinkError, SystemError } from '../wire/errors.ts'
import type { Netns } from '../wire/netns.ts'
import { type Operation, sheltered } from '../wire/operation.ts'
import { getVethPair, type VethEnd, type VethPair } from './peer.ts'
import { PeerError } from './peer-error.ts'

/** How one end of a new pair is to be. */
export interface NewVethEnd {
  readonly name: string
  /** null: the namespace in which the pair is made. */
  readonly netns: Netns | null
  readonly up: boolean
  readonly mtu: number | null
  readonly address: string | null
  readonly rxQueues: number | null
  readonly txQueues: number | null
  readonly addrGenMode: AddrGenMode | null
}

/**
 * Makes a pair, its ends where they are wanted.
 * @throws NetlinkError EEXIST when a name is taken, EPERM without CAP_NET_ADMIN.
 */
export function* createVethPair(netns: Netns, first: NewVethEnd, second: NewVethEnd): Operation<VethPair> {
  for (const end of [first, second]) {
    checkLinkChange({ ...asChange(end), afSpec: { inet6: { addrGenMode: end.addrGenMode } } })
  }
  yield* newLink(netns, { ...asChange(first), linkinfo: { kind: 'veth', data: { peer: asChange(second) } } })
  try {
    return { target: yield* finishEnd(netns, first), peer: yield* finishEnd(netns, second) }
  } catch (error) {
    yield* sheltered(giveUp({ netns: first.netns ?? netns, device: first.name }))
    throw error
  }
}

/** What made the pair useless is the error to tell, not that it cannot be deleted either. */
function* giveUp(ref: DeviceRef): Operation<void> {
  try {
    yield* deleteLink(ref)
  } catch (error) {
    if (!(error instanceof SystemError)) throw error
  }
}

/** A veth whose peer could not be reached stands alone. */
export interface ListedPair {
  readonly target: VethEnd
  readonly peer: VethEnd | null
}

/** The veth pairs with an end in a namespace; each pair once, however many of its ends are there. */
export function* listVethPairs(netns: Netns): Operation<ListedPair[]> {
  const links = yield* listLinks(netns)
  const byIndex = new Map(links.map(link => [link.index, link]))
  const pairs: ListedPair[] = []
  for (const link of links) {
    if (link.kind !== 'veth') continue
    const target = { netns, link }
    if (link.linkNetnsId !== null) {
      const peer = yield* peerElsewhere(netns, link)
      if (peer !== 'gone') pairs.push({ target, peer })
    } else if (link.index < link.link || !byIndex.has(link.link)) {
      const peer = byIndex.get(link.link)
      pairs.push({ target, peer: peer === undefined ? null : { netns, link: peer } })
    }
  }
  return pairs
}

function* peerElsewhere(netns: Netns, link: Link): Operation<VethEnd | null | 'gone'> {
  try {
    return (yield* getVethPair({ netns, device: link.index })).peer
  } catch (error) {
    if (error instanceof PeerError) return null
    if (error instanceof NetlinkError && error.code === 'ENODEV') return 'gone'
    throw error
  }
}

/** A veth that is to be up when it is made fails with ENOTCONN: at that moment it has no peer yet. */
function* finishEnd(netns: Netns, end: NewVethEnd): Operation<VethEnd> {
  const ref = { netns: end.netns ?? netns, device: end.name }
  if (end.addrGenMode !== null) yield* setAddrGenMode(ref, end.addrGenMode)
  if (end.up) yield* setLink(ref, { up: true })
  return { netns: ref.netns, link: yield* getLink(ref) }
}

function asChange(end: NewVethEnd) {
  return {
    name: end.name,
    netns: end.netns,
    mtu: end.mtu,
    address: end.address,
    numRxQueues: end.rxQueues,
    numTxQueues: end.txQueues,
  }
}
