import { getLinkState } from '../rtnetlink/link-operations.ts'
import type { DeviceRef, IndexRef } from '../wire/device-ref.ts'
import {
  DecodeError,
  InterruptedDumpError,
  SystemError,
  TimeoutError,
  UnsupportedError,
} from '../wire/errors.ts'
import type { Netns } from '../wire/netns.ts'
import type { Operation } from '../wire/operation.ts'
import { explainRedirect } from './explain.ts'
import { longestFrame } from './frame-room.ts'
import { readNapiFromMemory } from './napi-memory.ts'
import { isOutOfReach } from './netns-search.ts'
import { getVethPeer } from './pair-again.ts'
import { PeerError } from './peer-error.ts'
import type { Verdict } from './verdict.ts'
import { type ExplainOptions, LONGEST_FRAME } from './way.ts'

/** Why frames into a device are lost, as far as its state tells afterwards. */
export interface Cause {
  /**
   * explainRedirect() of the target, after the frames: cause and repair. It says that it delivers where the frames'
   * fault is another one, or is mended. null where `unknown` says why.
   */
  readonly verdict: Verdict | null
  /** Of a veth whose namespace was found. */
  readonly peer: TracedPeer | null
  readonly unknown: string | null
  /** Of perf events, which tell no namespace: in which the devices are taken to be. */
  readonly assumedNetns: Netns | null
}

/** The other end of the target, as the kernel's memory has it. */
export interface TracedPeer {
  readonly index: number
  /** null for a peer out of reach. */
  readonly name: string | null
  readonly netns: Netns | null
  /** For each receive queue in use whether it has NAPI; null where the kernel's memory cannot be read. */
  readonly napi: readonly boolean[] | null
}

/** How the frames came to the target. */
export interface Failing {
  readonly target: IndexRef
  /** The device whose program redirected, where it is known and within reach. */
  readonly from: DeviceRef | null
  readonly place: string
  readonly code: string | null
}

export function* findCause(failing: Failing): Operation<Cause> {
  const verdict = yield* explainRedirect(failing.target, yield* wayOf(failing))
  const isVeth = verdict.checks.some(({ name, value }) => name === 'kind' && value === 'veth')
  const peer = isVeth ? yield* peerOf(failing.target) : null
  return { verdict, peer, unknown: null, assumedNetns: null }
}

/**
 * Whether it is about the system: a device or namespace that is gone, say, or no descriptor left. An aborted signal's reason
 * is not.
 */
export function isAboutTheSystem(error: unknown): error is Error {
  return [SystemError, TimeoutError, PeerError, InterruptedDumpError, DecodeError, UnsupportedError].some(
    kind => error instanceof kind,
  )
}

export function unknown(why: string): Cause {
  return { verdict: null, peer: null, unknown: why, assumedNetns: null }
}

/** Which mode the program ran in is told by the place, or else by what is attached where the frames came from. */
function* wayOf({ target, from, place, code }: Failing): Operation<ExplainOptions> {
  if (place === 'xdp_bulk_tx') return { via: 'tx' }
  const generic = place === 'xdp_redirect_err' && from !== null && (yield* runsGeneric(from))
  const mode = generic ? 'generic' : 'native'
  // The shortest of the frames that may have been too long.
  const frameSize = code === 'EMSGSIZE' ? longestFrame((yield* getLinkState(target)).mtu) + 1 : undefined
  return frameSize === undefined || frameSize > LONGEST_FRAME ? { mode } : { mode, frameSize }
}

function* runsGeneric(from: DeviceRef): Operation<boolean> {
  try {
    return (yield* getLinkState(from)).xdp?.mode === 'generic'
  } catch (error) {
    if (isOutOfReach(error)) return false
    throw error
  }
}

function* peerOf(target: IndexRef): Operation<TracedPeer | null> {
  const memory = yield* readNapiFromMemory(target)
  const napi = 'peer' in memory ? memory.peer : null
  try {
    const { device, name, netns } = yield* getVethPeer(target)
    return { index: device, name: name ?? null, netns, napi: napi?.queues ?? null }
  } catch (error) {
    if (!(error instanceof PeerError || error instanceof SystemError)) throw error
    return napi === null ? null : { index: napi.ifindex, name: null, netns: null, napi: napi.queues }
  }
}
