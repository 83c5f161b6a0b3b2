import type { Link } from '../rtnetlink/link.ts'
import type { LinkExcerpt } from '../rtnetlink/link-excerpt.ts'
import { getLinkState, getLinkThrough } from '../rtnetlink/link-operations.ts'
import type { DeviceRef, IndexRef } from '../wire/device-ref.ts'
import { NetlinkError } from '../wire/errors.ts'
import type { Netns } from '../wire/netns.ts'
import type { Operation } from '../wire/operation.ts'
import { findNetns, isOutOfReach } from './netns-search.ts'
import { notVeth, unreachable } from './peer-error.ts'

/** One end of a veth pair, in its own namespace. */
export interface VethEnd<L extends LinkExcerpt = LinkExcerpt> {
  readonly netns: Netns
  readonly link: L
}

/** The end by its index, as it stays when it is renamed. */
export function refOf({ netns, link }: VethEnd): IndexRef {
  return { netns, device: link.index, name: link.name }
}

/** Both ends of a pair, as seen from the first. */
export interface VethPair<L extends LinkExcerpt = LinkExcerpt> {
  readonly target: VethEnd<L>
  readonly peer: VethEnd<L>
}

/** How often the search is begun anew when an end is moved while it is looked for. */
const ATTEMPTS = 10

/** Why there is no peer to show. */
export type OutOfReach = 'not found' | 'refused' | 'moving'

/**
 * A veth and its peer, whatever namespace that is in.
 * @throws PeerError when the device is no veth, or the peer's namespace cannot be reached from here.
 * @throws NetlinkError ENODEV when there is no such device.
 */
export function* getVethPair(ref: DeviceRef): Operation<VethPair<Link>> {
  for (let attempt = 1; ; attempt++) {
    const link = yield* getLinkState(ref)
    if (link.kind !== 'veth') throw notVeth(ref, link)
    const where = yield* peerNetns(ref.netns, link)
    const peer = where === null ? 'not found' : yield* peerIn(where, link)
    if (typeof peer !== 'string') return { target: { netns: ref.netns, link }, peer }
    if (peer !== 'moving' || attempt === ATTEMPTS) {
      throw unreachable(ref, link, yield* seenFromHere(ref, link), where, peer)
    }
  }
}

/**
 * Without an id the peer is in the same namespace. With one, its index means nothing in this namespace, where the
 * same index is likely to be another device.
 */
function* peerNetns(netns: Netns, { linkNetnsId }: Link): Operation<Netns | null> {
  return linkNetnsId === null ? netns : yield* findNetns(netns, linkNetnsId)
}

function* peerIn(netns: Netns, { index, link }: Link): Operation<VethEnd<Link> | OutOfReach> {
  try {
    const peer = yield* getLinkState({ netns, device: link })
    return peer.kind === 'veth' && peer.link === index ? { netns, link: peer } : 'moving'
  } catch (error) {
    if (!isOutOfReach(error)) throw error
    return error.code === 'EPERM' || error.code === 'EACCES' ? 'refused' : 'moving'
  }
}

/** What can be known of the peer without entering its namespace. */
function* seenFromHere(ref: DeviceRef, { link, linkNetnsId }: Link): Operation<Link | null> {
  if (linkNetnsId === null) return null
  try {
    return yield* getLinkThrough(ref.netns, linkNetnsId, link)
  } catch (error) {
    if (error instanceof NetlinkError) return null
    throw error
  }
}
