import { type Feature, getFeatures } from '../ethtool/features.ts'
import { getXdpFeatures, type XdpFeature } from '../netdev/device.ts'
import { listNapi } from '../netdev/napi.ts'
import type { Link } from '../rtnetlink/link.ts'
import { getLink } from '../rtnetlink/link-operations.ts'
import type { DeviceRef } from '../wire/device-ref.ts'
import { UnsupportedError } from '../wire/errors.ts'
import type { Netns } from '../wire/netns.ts'
import { ask, type Operation } from '../wire/operation.ts'
import { getVethPair, refOf, type VethEnd } from './peer.ts'
import { PeerError } from './peer-error.ts'

/** What the kernel says of the two ends of a redirect. */
export interface RedirectFacts {
  /** uname -r. */
  readonly release: string
  /** This process, for commands that reach a namespace through it. */
  readonly pid: number
  readonly target: VethEnd
  /** null before Linux 6.3, which has no such bits. */
  readonly targetXdpFeatures: readonly XdpFeature[] | null
  /** null for a target that is no veth, and for a peer out of reach. */
  readonly peer: PeerFacts | null
  /** Of a peer out of reach: why, and what is known of it all the same. */
  readonly unreachable: PeerError | null
}

export interface PeerFacts {
  readonly netns: Netns
  readonly link: Link
  readonly gro: Feature
  /** How many NAPI instances it has; null before Linux 6.8, which does not tell. */
  readonly napi: number | null
}

/** @throws NetlinkError ENODEV when there is no such target. */
export function* gatherFacts(ref: DeviceRef): Operation<RedirectFacts> {
  const { release, pid } = yield* ask<'self'>({ kind: 'self' })
  const { target, peer, unreachable } = yield* bothEnds(ref)
  const targetXdpFeatures = yield* ifSupported(getXdpFeatures(refOf(target)))
  return {
    release,
    pid,
    target,
    targetXdpFeatures,
    peer: peer === null ? null : yield* peerFacts(peer),
    unreachable,
  }
}

function* bothEnds(ref: DeviceRef) {
  try {
    return { ...(yield* getVethPair(ref)), unreachable: null }
  } catch (error) {
    if (!(error instanceof PeerError)) throw error
    const target = { netns: ref.netns, link: yield* getLink(ref) }
    const unreachable = error.code === 'ERR_VETH_NL_PEER_UNREACHABLE' ? error : null
    return { target, peer: null, unreachable }
  }
}

function* peerFacts(peer: VethEnd): Operation<PeerFacts> {
  const { gro } = yield* getFeatures(refOf(peer))
  const napi = yield* ifSupported(listNapi(refOf(peer)))
  return { ...peer, gro, napi: napi?.length ?? null }
}

function* ifSupported<T>(operation: Operation<T>): Operation<T | null> {
  try {
    return yield* operation
  } catch (error) {
    if (error instanceof UnsupportedError) return null
    throw error
  }
}
