import {
  type RedirectCount,
  type RedirectCounter,
  type RedirectTally,
  readRedirectTally,
} from '../bpf/redirect-counter.ts'
import type { RedirectDevmap } from '../bpf/redirect-devmap.ts'
import { runLiveFrames } from '../bpf/test-run.ts'
import { getLink } from '../rtnetlink/link-operations.ts'
import type { IndexRef } from '../wire/device-ref.ts'
import { SystemError, UnsupportedError } from '../wire/errors.ts'
import { ask, type Operation } from '../wire/operation.ts'
import { refOf, type VethPair } from './peer.ts'

/** Frames to be sent, and what counts them. */
export interface Probe extends VethPair {
  readonly mode: 'native' | 'generic'
  readonly frames: number
  readonly frame: Uint8Array
  readonly devmap: RedirectDevmap
  readonly counter: RedirectCounter
}

/** Where the frames have come to. */
export interface Landing {
  readonly sent: number
  /** How many packets the peer received meanwhile, others' too. */
  readonly arrived: number
  /** The kernel's time for all that were sent, or null. */
  readonly nanoseconds: number | null
  /** How many went on to the peer: taken by the target's driver, or in generic mode not dropped by it. */
  readonly accepted: number
  readonly outcomes: readonly RedirectCount[]
}

/** What became of one burst. */
interface Burst {
  readonly count: number
  readonly nanoseconds: number | null
}

type SendBurst = (count: number, sentBefore: number) => Operation<Burst>

/** A veth's ring holds 256 per queue (VETH_RING_SIZE): a burst of this length fits, whoever polls it and when. */
const SAFE_BURST = 128
/** Each run of live frames costs some 20 ms of preparations in the kernel, so that many frames go in few bursts. */
const MOST_RUNS = 16
/** How long, in all, frames that do not come to anything are waited for. */
const PATIENCE_MS = 50

/** Runs the program over live frames. @throws UnsupportedError before Linux 5.18. */
export function sendLive(probe: Probe, program: number): Operation<Landing> {
  const longest = Math.max(SAFE_BURST, Math.ceil(probe.frames / MOST_RUNS))
  return sendInBursts(probe, longest, (count, sentBefore) => runLive(probe, program, count, sentBefore))
}

/** Sends the frames out of a device, at whose other end the program gets them. */
export function sendThrough(probe: Probe, { netns, device }: IndexRef): Operation<Landing> {
  const { frame } = probe
  return sendInBursts(probe, SAFE_BURST, function* (count) {
    const sent = yield* ask<'frames'>({ kind: 'frames', netns, ifindex: device, frame, count })
    return { count: sent, nanoseconds: null }
  })
}

function* sendInBursts(probe: Probe, longest: number, send: SendBurst): Operation<Landing> {
  const before = yield* counted(probe)
  const patience = { milliseconds: PATIENCE_MS }
  let sent = 0
  let nanoseconds: number | null = 0
  let landing: Landing | null = null
  while (sent < probe.frames) {
    const burst = yield* send(Math.min(longest, probe.frames - sent), sent)
    sent += burst.count
    nanoseconds = nanoseconds === null || burst.nanoseconds === null ? null : nanoseconds + burst.nanoseconds
    landing = yield* land(probe, { sent, nanoseconds }, before, patience)
    if (burst.count === 0) break
  }
  return landing!
}

function* runLive(probe: Probe, program: number, count: number, sentBefore: number): Operation<Burst> {
  const { netns } = probe.target
  try {
    const each = yield* runLiveFrames({ program, frame: probe.frame, count, netns })
    return { count, nanoseconds: count * each }
  } catch (error) {
    if (!(error instanceof SystemError)) throw error
    if (error.code === 'EINVAL') throw new UnsupportedError('BPF_PROG_RUN with live frames', '5.18')
    // A signal came. What was sent until then has been reported before the call returned.
    if (error.code !== 'EINTR') throw error
    return { count: redirects(yield* readRedirectTally(probe.counter)) - sentBefore, nanoseconds: null }
  }
}

/** Waits until all that was sent has come to its end, as long as there is something to be seen of it or patience left. */
function* land(
  probe: Probe,
  sending: Pick<Landing, 'sent' | 'nanoseconds'>,
  before: Counted,
  patience: { milliseconds: number },
): Operation<Landing> {
  for (let seen = -1; ; ) {
    // In this order: the peer has counted by then what had been accepted.
    const tally = yield* readRedirectTally(probe.counter)
    const after = yield* counted(probe)
    const arrived = after.arrived - before.arrived
    const dropped = after.dropped - before.dropped
    const accepted = acceptedOf(probe.mode, tally, dropped)
    const isOver = redirects(tally) >= sending.sent && isFlushed(probe.mode, tally) && arrived >= accepted
    const now = redirects(tally) + inBatches(tally) + arrived + dropped
    if (now <= seen) patience.milliseconds--
    if (isOver || patience.milliseconds <= 0)
      return { ...sending, arrived, accepted, outcomes: tally.outcomes }
    seen = now
    yield* ask<'wait'>({ kind: 'wait', milliseconds: 1 })
  }
}

/** How many the program has redirected, in vain or not. */
function redirects({ redirected, outcomes }: RedirectTally): number {
  return redirected + sum(outcomes, 'xdp:xdp_redirect_err', ({ refused }) => refused)
}

/** Of what veth_xmit() drops no tracepoint tells, only the target's counter: others' frames are counted there as well. */
function acceptedOf(mode: Probe['mode'], { redirected, outcomes }: RedirectTally, dropped: number): number {
  return mode === 'generic'
    ? Math.max(0, redirected - dropped)
    : sum(outcomes, 'xdp:xdp_devmap_xmit', ({ accepted }) => accepted)
}

/** In native mode what is redirected is queued first, and goes to the driver in batches. */
function isFlushed(mode: Probe['mode'], tally: RedirectTally): boolean {
  return mode === 'generic' || inBatches(tally) >= tally.redirected
}

function inBatches({ outcomes }: RedirectTally): number {
  return sum(outcomes, 'xdp:xdp_devmap_xmit', ({ accepted, refused }) => accepted + refused)
}

function sum(
  outcomes: readonly RedirectCount[],
  tracepoint: RedirectCount['tracepoint'],
  of: (outcome: RedirectCount) => number,
): number {
  let sum = 0
  for (const outcome of outcomes) if (outcome.tracepoint === tracepoint) sum += of(outcome)
  return sum
}

/** What both ends have counted so far, of whomever. */
interface Counted {
  readonly arrived: number
  /** In generic mode, dropped by the target. */
  readonly dropped: number
}

function* counted({ mode, target, peer }: Probe): Operation<Counted> {
  const dropped = mode === 'generic' ? (yield* getLink(refOf(target))).stats?.txDropped : 0n
  const arrived = (yield* getLink(refOf(peer))).stats?.rxPackets
  return { arrived: Number(arrived ?? 0n), dropped: Number(dropped ?? 0n) }
}
