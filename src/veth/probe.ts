import { withDescriptor } from '../bpf/descriptor.ts'
import { loadProgram } from '../bpf/program.ts'
import { xdpRedirect } from '../bpf/programs.ts'
import {
  closeRedirectCounter,
  openRedirectCounter,
  type RedirectCount,
  readRedirectCounter,
} from '../bpf/redirect-counter.ts'
import { runLiveFrames } from '../bpf/test-run.ts'
import { getLink } from '../rtnetlink/link-operations.ts'
import { checkOptions } from '../wire/check-options.ts'
import type { DeviceRef } from '../wire/device-ref.ts'
import { ask, type Operation } from '../wire/operation.ts'
import { getVethPair, refOf, type VethEnd, type VethPair } from './peer.ts'
import { probeFrame } from './probe-frame.ts'
import { SHORT_FRAME } from './way.ts'

export interface ProbeOptions {
  /** 64 when left out. */
  readonly frames?: number
  /** Bytes of each frame without its checksum, 14 to 3400; 64 when left out. */
  readonly size?: number
}

/** What became of frames that a native-mode XDP program redirected. */
export interface ProbeResult {
  readonly sent: number
  /** By the peer's own counter of received packets. */
  readonly delivered: number
  /** The errno's name under which most frames were refused, null when none were. */
  readonly code: string | null
  /** The kernel's time for each frame, all of it: sending, redirecting, and most of receiving. */
  readonly nsPerFrame: number
  /** How the redirects ended, by tracepoint. */
  readonly outcomes: readonly RedirectCount[]
}

/** A few frames prove as much as many. */
const SOME_FRAMES = 64
/** A veth's ring holds 256 per queue (VETH_RING_SIZE): a burst of this length fits, whoever polls it and when. */
const SAFE_BURST = 128
/** Each burst costs some 20 ms of preparations in the kernel, so that many frames go in few bursts. */
const MOST_BURSTS = 16
const LONGEST_PROBE = 3400

/**
 * Sends frames into a veth as a native-mode program on a NIC would, and counts what arrives at its peer. The
 * frames have an experimental ethertype, on which no stack acts. Linux 5.18; CAP_NET_ADMIN, CAP_BPF, CAP_PERFMON.
 * @throws PeerError, ProgramError, SystemError EPERM.
 */
export function* probeRedirect(ref: DeviceRef, options: ProbeOptions): Operation<ProbeResult> {
  checkOptions('probeRedirect()', options, ['frames', 'size'])
  const { frames = SOME_FRAMES, size = SHORT_FRAME } = options
  checkNumber('frames', frames, 1, 1_000_000)
  checkNumber('size', size, 14, LONGEST_PROBE)
  const pair = yield* getVethPair(ref)
  const self = yield* ask<'self'>({ kind: 'self' })
  const counter = yield* openRedirectCounter(self)
  try {
    const { arrived, nsPerFrame } = yield* withDescriptor(
      loadProgram(xdpRedirect(pair.target.link.index)),
      program => sendAll(program, pair, frames, size),
    )
    const outcomes = yield* readRedirectCounter(counter)
    const accepted = outcomes.reduce((sum, outcome) => sum + outcome.accepted, 0)
    // The peer also counts what others send it; no more of ours can have arrived than the driver accepted.
    const delivered = Math.min(arrived, accepted, frames)
    return { sent: frames, delivered, code: mostRefused(outcomes), nsPerFrame, outcomes }
  } finally {
    yield* closeRedirectCounter(counter)
  }
}

/** arrived: how many packets the peer received meanwhile. */
function* sendAll(
  program: number,
  { target, peer }: VethPair,
  frames: number,
  size: number,
): Operation<{ arrived: number; nsPerFrame: number }> {
  const frame = probeFrame(peer.link.address, size)
  const before = yield* received(peer)
  const burst = Math.max(SAFE_BURST, Math.ceil(frames / MOST_BURSTS))
  let arrived = 0
  let nanoseconds = 0
  for (let sent = 0; sent < frames; ) {
    const count = Math.min(burst, frames - sent)
    nanoseconds += count * (yield* runLiveFrames({ program, frame, count, netns: target.netns }))
    sent += count
    arrived = yield* settled(peer, before, sent)
  }
  return { arrived, nsPerFrame: nanoseconds / frames }
}

/** Waits, but not long, until the peer's NAPI has taken what was sent. */
function* settled(peer: VethEnd, before: number, expected: number): Operation<number> {
  let arrived = (yield* received(peer)) - before
  for (let patience = 5; arrived < expected && patience > 0; patience--) {
    yield* ask<'wait'>({ kind: 'wait', milliseconds: 1 })
    const now = (yield* received(peer)) - before
    if (now > arrived) patience = 5
    arrived = now
  }
  return arrived
}

function* received(end: VethEnd): Operation<number> {
  const { stats } = yield* getLink(refOf(end))
  return Number(stats?.rxPackets ?? 0n)
}

function mostRefused(outcomes: readonly RedirectCount[]): string | null {
  let most: RedirectCount | null = null
  for (const outcome of outcomes) {
    if (outcome.code !== null && outcome.refused > (most?.refused ?? 0)) most = outcome
  }
  return most?.code ?? null
}

function checkNumber(what: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`${what} must be an integer from ${least} to ${most}, not ${value}`)
  }
}
