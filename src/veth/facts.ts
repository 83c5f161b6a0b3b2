import { channelsQuestion } from '../ethtool/channels.ts'
import { type GroState, groQuestion } from '../ethtool/gro.ts'
import { getXdpFeatures, type XdpFeature } from '../netdev/device.ts'
import type { LinkExcerpt } from '../rtnetlink/link-excerpt.ts'
import { getLinkState } from '../rtnetlink/link-operations.ts'
import type { DeviceRef } from '../wire/device-ref.ts'
import { NetlinkError, UnsupportedError } from '../wire/errors.ts'
import type { Netns } from '../wire/netns.ts'
import { ask, type Operation } from '../wire/operation.ts'
import { Bundle, put, together } from '../wire/question.ts'
import { hasNativeProgram } from './napi-rule.ts'
import { type NapiSeen, napiByNetlink, peerNapiInMemory } from './napi-seen.ts'
import { getVethPair, refOf, type VethEnd, type VethPair } from './peer.ts'
import { PeerError } from './peer-error.ts'
import { mayHaveSeveral, type Queues, queuesTold } from './queues.ts'
import { type ExplainOptions, LONGEST_IN_ONE_BUFFER, SHORT_FRAME, type Way } from './way.ts'

/** What the kernel says of a frame's way, as far as it matters on that way. */
export interface RedirectFacts {
  /** uname -r. */
  readonly release: string
  /** This process, for commands that reach a namespace through it. */
  readonly pid: number
  readonly way: Way
  /** Where the program runs; null when nobody asked. */
  readonly from: FromFacts | null
  readonly ref: DeviceRef
  /** null when there is no such device. */
  readonly target: TargetFacts | null
  /** null for a target that is no veth, and for a peer of which nothing is known. */
  readonly peer: PeerFacts | null
  /** Of a peer out of reach: why. */
  readonly unreachable: PeerError | null
}

export interface FromFacts extends Ability {
  readonly ref: DeviceRef
  /** null when there is no such device. */
  readonly link: LinkExcerpt | null
}

export interface TargetFacts extends VethEnd, Ability {
  /** null where they make no difference. */
  readonly queues: Queues | null
}

export interface Ability {
  /** null before Linux 6.3, which has no such bits, and where they make no difference. */
  readonly xdpFeatures: readonly XdpFeature[] | null
}

export interface PeerFacts {
  /** null when only its link is known, from outside. */
  readonly netns: Netns | null
  readonly link: LinkExcerpt
  /** null when only its link is known. */
  readonly gro: GroState | null
  /** null where the driver's rule is all there is: before Linux 6.8, which does not tell. */
  readonly napi: NapiSeen | null
  readonly queues: Queues | null
}

/** @throws NetlinkError or SystemError when the kernel cannot be asked; but that there is no such target is a fact. */
export function* gatherFactsAnew(ref: DeviceRef, options: ExplainOptions): Operation<RedirectFacts> {
  const { release, pid } = yield* ask<'self'>({ kind: 'self' })
  const { target, peer, unreachable } = yield* bothEnds(ref)
  const from =
    options.from === undefined ? null : yield* fromFacts({ netns: ref.netns, device: options.from })
  const way = wayOf(options, from?.link ?? target?.link ?? null)
  const peerSide = peer === null ? yield* glimpse(target, unreachable, way) : yield* peerFacts(peer, way)
  const targetSide = target === null ? null : yield* targetFacts(target, peerSide, way)
  return { release, pid, way, from, ref, target: targetSide, peer: peerSide, unreachable }
}

/** The same for a pair whose ends are known, and a short frame in native mode. */
export function* gatherPairFacts({ target, peer }: VethPair): Operation<RedirectFacts> {
  const { release, pid } = yield* ask<'self'>({ kind: 'self' })
  const way = wayOf({}, null)
  const peerSide = yield* peerFacts(peer, way)
  const targetSide = yield* targetFacts(target, peerSide, way)
  const ref = refOf(target)
  return { release, pid, way, from: null, ref, target: targetSide, peer: peerSide, unreachable: null }
}

/** The mode that counts is the one that the program in question runs in, unless the caller knows better. */
export function wayOf(options: ExplainOptions, runsOn: LinkExcerpt | null): Way {
  const { via = 'redirect', frameSize = SHORT_FRAME, from } = options
  const { multiBuffer = frameSize > LONGEST_IN_ONE_BUFFER } = options
  const attached = via === 'tx' || from !== undefined ? runsOn?.xdp?.mode : undefined
  const mode = options.mode ?? (attached === 'generic' ? 'generic' : 'native')
  return { via, mode, frameSize, multiBuffer }
}

function* bothEnds(ref: DeviceRef) {
  try {
    return { ...(yield* getVethPair(ref)), unreachable: null }
  } catch (error) {
    if (isNoDevice(error)) return { target: null, peer: null, unreachable: null }
    if (!(error instanceof PeerError)) throw error
    const target = { netns: ref.netns, link: yield* getLinkState(ref) }
    const unreachable = error.code === 'ERR_VETH_NL_PEER_UNREACHABLE' ? error : null
    return { target, peer: null, unreachable }
  }
}

function isNoDevice(error: unknown): boolean {
  return error instanceof NetlinkError && error.code === 'ENODEV' && error.syscall === 'RTM_GETLINK'
}

/**
 * A peer whose namespace is out of reach: its link, as the kernel may tell it from outside. Where GRO would decide, which
 * it does not tell, its NAPI is looked for in the kernel's memory.
 */
function* glimpse(
  target: VethEnd | null,
  unreachable: PeerError | null,
  { mode }: Way,
): Operation<PeerFacts | null> {
  const link = unreachable?.peer ?? null
  if (target === null || link === null) return null
  const open = mode === 'native' && link.up && !hasNativeProgram(link)
  const napi = open ? yield* peerNapiInMemory(target) : null
  return { netns: null, link, gro: null, napi, queues: null }
}

function* fromFacts(ref: DeviceRef): Operation<FromFacts> {
  try {
    const link = yield* getLinkState(ref)
    return { ref, link, xdpFeatures: yield* xdpFeaturesOf({ netns: ref.netns, link }) }
  } catch (error) {
    if (isNoDevice(error)) return { ref, link: null, xdpFeatures: null }
    throw error
  }
}

function* targetFacts(end: VethEnd, peer: PeerFacts | null, way: Way): Operation<TargetFacts> {
  if (way.mode === 'generic' || way.via === 'tx') return { ...end, xdpFeatures: null, queues: null }
  // One tx queue is never too many.
  const queues = (peer?.queues?.tx ?? 1) > 1 ? yield* queuesOf(end) : null
  return { ...end, xdpFeatures: yield* xdpFeaturesOf(end), queues }
}

function* peerFacts(end: VethEnd, { mode }: Way): Operation<PeerFacts> {
  if (mode === 'generic') return { ...end, gro: null, napi: null, queues: null }
  const gro = yield* put(yield* groQuestion(refOf(end)))
  const napi = yield* napiByNetlink(end)
  return { ...end, gro, napi, queues: yield* queuesOf(end) }
}

function xdpFeaturesOf(end: VethEnd): Operation<XdpFeature[] | null> {
  return ifSupported(getXdpFeatures(refOf(end)))
}

function* queuesOf(end: VethEnd): Operation<Queues> {
  if (!mayHaveSeveral(end.link)) return queuesTold(end.link, NEVER_ASKED)
  const question = yield* channelsQuestion(refOf(end))
  const [answer] = yield* together(new Bundle([question]))
  return queuesTold(end.link, () => question.take(answer!))
}
const NEVER_ASKED = () => {
  throw new Error('one queue has no channels to ask for')
}

function* ifSupported<T>(operation: Operation<T>): Operation<T | null> {
  try {
    return yield* operation
  } catch (error) {
    if (error instanceof UnsupportedError) return null
    throw error
  }
}
