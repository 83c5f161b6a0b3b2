import type { Link } from '../rtnetlink/link.ts'
import { getLink, getLinkThrough } from '../rtnetlink/link-operations.ts'
import type { DeviceRef, IndexRef } from '../wire/device-ref.ts'
import { NetlinkError } from '../wire/errors.ts'
import type { Netns } from '../wire/netns.ts'
import type { Operation } from '../wire/operation.ts'
import { findNetns, isOutOfReach } from './netns-search.ts'
import { notVeth, unreachable } from './peer-error.ts'

/** One end of a veth pair, in its own namespace. */
export interface VethEnd {
  readonly netns: Netns
  readonly link: Link
}

/** The end by its index, as it stays when it is renamed. */
export function refOf({ netns, link }: VethEnd): IndexRef {
  return { netns, device: link.index, name: link.name }
}

/** Both ends of a pair, as seen from the first. */
export interface VethPair {
  readonly target: VethEnd
  readonly peer: VethEnd
}

/** How often the search is begun anew when an end is moved while it is looked for. */
const ATTEMPTS = 3

/**
 * A veth and its peer, whatever namespace that is in.
 * @throws PeerError when the device is no veth, or the peer's namespace cannot be reached from here.
 * @throws NetlinkError ENODEV when there is no such device.
 */
export function* getVethPair(ref: DeviceRef): Operation<VethPair> {
  for (let attempt = 1; ; attempt++) {
    const link = yield* getLink(ref)
    if (link.kind !== 'veth') throw notVeth(ref, link)
    const peer = yield* findPeer(ref.netns, link)
    if (peer !== null) return { target: { netns: ref.netns, link }, peer }
    if (attempt === ATTEMPTS) throw yield* describeUnreachable(ref, link)
  }
}

/** null when there is nobody at the place that the link points to. */
function* findPeer(netns: Netns, { index, link, linkNetnsId }: Link): Operation<VethEnd | null> {
  // Without an id the peer is in the same namespace. With one, its index means nothing in this namespace,
  // where the same index is likely to be another device.
  const where = linkNetnsId === null ? netns : yield* findNetns(netns, linkNetnsId)
  if (where === null) return null
  try {
    const peer = yield* getLink({ netns: where, device: link })
    return peer.kind === 'veth' && peer.link === index ? { netns: where, link: peer } : null
  } catch (error) {
    if (isOutOfReach(error)) return null
    throw error
  }
}

/** Tells what can be known of the peer without entering its namespace. */
function* describeUnreachable(ref: DeviceRef, link: Link): Operation<Error> {
  if (link.linkNetnsId === null) return unreachable(ref, link, null, null)
  const where = yield* findNetns(ref.netns, link.linkNetnsId)
  try {
    const known = yield* getLinkThrough(ref.netns, link.linkNetnsId, link.link)
    return unreachable(ref, link, known, where)
  } catch (error) {
    if (error instanceof NetlinkError) return unreachable(ref, link, null, where)
    throw error
  }
}
