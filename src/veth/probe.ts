import { closeDescriptor, withDescriptor } from '../bpf/descriptor.ts'
import { loadProgram } from '../bpf/program.ts'
import { xdpRedirectType } from '../bpf/programs.ts'
import { closeRedirectCounter, openRedirectCounter, type RedirectCount } from '../bpf/redirect-counter.ts'
import { createRedirectDevmap } from '../bpf/redirect-devmap.ts'
import type { Link } from '../rtnetlink/link.ts'
import { checkChoice, checkOptions } from '../wire/check-options.ts'
import type { DeviceRef } from '../wire/device-ref.ts'
import { SystemError, UnsupportedError } from '../wire/errors.ts'
import type { Operation } from '../wire/operation.ts'
import { type NapiSeen, peerNapi } from './napi-seen.ts'
import { getVethPair, type VethPair } from './peer.ts'
import { ETH_P_EXPERIMENTAL, probeFrame } from './probe-frame.ts'
import { whenMemoryIsFree } from './probe-memory.ts'
import { withProgramBehindWire } from './probe-pair.ts'
import { type Landing, type Probe, sendLive, sendThrough } from './probe-send.ts'
import { LONGEST_FRAME, LONGEST_IN_ONE_BUFFER, SHORT_FRAME, SHORTEST_FRAME } from './way.ts'

export interface ProbeOptions {
  /** 64 when left out. */
  readonly frames?: number
  /**
   * Bytes of each frame without its checksum, 14 to 65517; 64 when left out. Beyond some 3500 a frame comes to a
   * native program in several buffers: Linux 5.18 has such programs, and until 6.3 drops what they redirect unreported.
   */
  readonly size?: number
  /** How the program that redirects is attached; 'native' when left out. */
  readonly mode?: 'native' | 'generic'
  /**
   * Who runs it: 'live frames' is BPF_PROG_RUN (Linux 5.18; native mode, up to 2800 bytes); 'veth' a veth pair in a
   * network namespace of our own, through which the frames are sent. Left out, live frames where they will do.
   */
  readonly by?: 'live frames' | 'veth'
}

/** What became of frames that an XDP program redirected. */
export interface ProbeResult {
  readonly sent: number
  /**
   * By the peer's own counter of received packets, and no more than were let through to it. In generic mode only a
   * counter tells that: whatever the target drops meanwhile, of others' frames too, is taken off.
   */
  readonly delivered: number
  /** The errno's name under which most frames were refused, null when none were. */
  readonly code: string | null
  /** The tracepoint that told that errno; null where there is none. */
  readonly where: RedirectCount['tracepoint'] | null
  readonly by: 'live frames' | 'veth'
  /** The kernel's time for each of its live frames, all of it: sending, redirecting, and most of receiving. */
  readonly nsPerFrame: number | null
  /** NAPI at the peer, looked at before the frames were sent; null where there is no way to see it. */
  readonly peerNapi: NapiSeen | null
  /** How the redirects ended, by tracepoint and errno. Of what generic mode hands to the driver there is no report. */
  readonly outcomes: readonly RedirectCount[]
}

/** A few frames prove as much as many. */
const SOME_FRAMES = 64
/** What fits a page of 4096 bytes beside all that belongs to a live frame, in every configuration of the kernel. */
const LONGEST_LIVE = 2800

type Sent = Omit<ProbeResult, 'peerNapi'>
type Checked = Required<Omit<ProbeOptions, 'by'>> & { readonly by: ProbeOptions['by'] | undefined }

/**
 * Redirects frames into a veth by an XDP program, as one on a NIC would, and counts what arrives at its peer. The
 * frames have an experimental ethertype, on which no stack acts. Others' redirects are not counted; in the namespaces
 * of the veth nothing is changed, and nothing shows but the frames. Linux 5.10; CAP_NET_ADMIN, CAP_BPF, CAP_PERFMON,
 * and by 'veth' CAP_SYS_ADMIN and CAP_NET_RAW.
 * @throws PeerError, ProgramError, SystemError EPERM, UnsupportedError.
 */
export function* probeRedirect(ref: DeviceRef, options: ProbeOptions): Operation<ProbeResult> {
  const how = checked(options)
  const pair = yield* getVethPair(ref)
  return yield* whenMemoryIsFree(() => probe(pair, how))
}

function* probe(
  { target, peer }: VethPair<Link>,
  { mode, by, frames, size }: Checked,
): Operation<ProbeResult> {
  const napi = yield* peerNapi({ target, peer })
  const devmap = yield* createRedirectDevmap(target.link.index, target.netns)
  try {
    const counter = yield* openRedirectCounter(devmap)
    try {
      const frame = probeFrame(peer.link.address, size)
      const probe: Probe = { mode, frames, frame, target, peer, devmap, counter }
      const sent =
        by === 'veth' || mode === 'generic' || size > LONGEST_LIVE
          ? yield* byVeth(probe)
          : yield* byLiveFrames(probe, by === undefined)
      return { ...sent, peerNapi: napi }
    } finally {
      yield* closeRedirectCounter(counter)
    }
  } finally {
    yield* closeDescriptor(devmap.fd)
  }
}

/** The kernel is asked whether it has live frames by sending some. */
function* byLiveFrames(probe: Probe, elseByVeth: boolean): Operation<Sent> {
  try {
    const program = loadProgram(xdpRedirectType(ETH_P_EXPERIMENTAL, probe.devmap, false))
    return result('live frames', yield* withDescriptor(program, fd => sendLive(probe, fd)))
  } catch (error) {
    if (!elseByVeth || !(error instanceof UnsupportedError)) throw error
    return yield* byVeth(probe)
  }
}

function* byVeth(probe: Probe): Operation<Sent> {
  const { mode, frame } = probe
  const program = loadForVeth(probe, mode === 'native' && frame.length > LONGEST_LIVE)
  const landing = yield* withDescriptor(program, fd =>
    withProgramBehindWire(fd, mode, frame.length, wire => sendThrough(probe, wire)),
  )
  return result('veth', landing)
}

/** Before 5.18 the flag that a program takes several buffers is not known: EINVAL, and no word of the verifier's. */
function* loadForVeth({ devmap, frame }: Probe, hasFrags: boolean): Operation<number> {
  try {
    return yield* loadProgram(xdpRedirectType(ETH_P_EXPERIMENTAL, devmap, hasFrags))
  } catch (error) {
    if (!hasFrags || !(error instanceof SystemError && error.code === 'EINVAL')) throw error
    if (frame.length <= LONGEST_IN_ONE_BUFFER)
      return yield* loadProgram(xdpRedirectType(ETH_P_EXPERIMENTAL, devmap, false))
    throw new UnsupportedError('XDP with frames in several buffers', '5.18')
  }
}

function result(by: ProbeResult['by'], { sent, arrived, nanoseconds, accepted, outcomes }: Landing): Sent {
  const most = mostRefused(outcomes)
  return {
    sent,
    // The peer also counts what others send it; no more of ours can have arrived than went on to it.
    delivered: Math.min(arrived, accepted),
    code: most?.code ?? null,
    where: most?.tracepoint ?? null,
    by,
    nsPerFrame: nanoseconds === null || sent === 0 ? null : nanoseconds / sent,
    outcomes,
  }
}

function mostRefused(outcomes: readonly RedirectCount[]): RedirectCount | null {
  let most: RedirectCount | null = null
  for (const outcome of outcomes) {
    if (outcome.code !== null && outcome.refused > (most?.refused ?? 0)) most = outcome
  }
  return most
}

function checked(options: ProbeOptions): Checked {
  checkOptions('probeRedirect()', options, ['frames', 'size', 'mode', 'by'])
  const { frames = SOME_FRAMES, size = SHORT_FRAME, mode = 'native', by } = options
  checkNumber('frames', frames, 1, 1_000_000)
  checkChoice('mode', mode, ['native', 'generic'])
  if (by !== undefined) checkChoice('by', by, ['live frames', 'veth'])
  if (by === 'live frames' && mode === 'generic') {
    throw new TypeError("live frames are redirected in native mode only: leave 'by' out, or say 'veth'")
  }
  checkNumber('size', size, SHORTEST_FRAME, by === 'live frames' ? LONGEST_LIVE : LONGEST_FRAME)
  return { frames, size, mode, by }
}

function checkNumber(what: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`${what} must be an integer from ${least} to ${most}, not ${value}`)
  }
}
