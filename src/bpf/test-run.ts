import { LITTLE_ENDIAN } from '../wire/netlink.ts'
import type { Netns } from '../wire/netns.ts'
import type { Operation } from '../wire/operation.ts'
import { BpfAttr, bpf } from './command.ts'

const BPF_F_TEST_XDP_LIVE_FRAMES = 1 << 1

const TEST = {
  prog_fd: 0,
  retval: 4,
  data_size_in: 8,
  data_in: 16,
  repeat: 32,
  duration: 36,
  ctx_size_in: 40,
  ctx_in: 48,
  flags: 64,
  batch_size: 72,
  size: 80,
} as const

/** struct xdp_md. */
const XDP_MD = { data: 0, data_end: 4, ingress_ifindex: 12, size: 24 } as const

/** The kernel's default, NAPI_POLL_WEIGHT; its maximum is 256 (E2BIG). */
const BATCH_SIZE = 64

export interface LiveFrames {
  /** The XDP program's descriptor. */
  readonly program: number
  /** One Ethernet frame, which every run of the program gets. From 14 to some 3300 bytes where pages have 4096. */
  readonly frame: Uint8Array
  /** How many frames, at least 1. */
  readonly count: number
  readonly netns: Netns
  /** The device that the frames seem to come from, by default the namespace's loopback. Up or not does not matter. */
  readonly ingress?: number
}

/**
 * BPF_PROG_TEST_RUN once, without sending anything: the program's result for a frame, such as XDP_DROP. Kernel 4.12.
 * @throws SystemError EINVAL for a frame under 14 bytes. Source: bpf_prog_test_run_xdp(), net/bpf/test_run.c.
 */
export function* testRunXdp(program: number, frame: Uint8Array, netns: Netns): Operation<number> {
  const attr = frameAttr(program, frame, 1)
  yield* bpf('BPF_PROG_TEST_RUN', attr, netns)
  return attr.readU32(TEST.retval)
}

/**
 * BPF_PROG_TEST_RUN with BPF_F_TEST_XDP_LIVE_FRAMES: runs an XDP program for real. What it redirects is sent as a
 * driver in native mode sends it, what it passes goes up the stack, all before this returns. Kernel 5.18.
 * Answers the nanoseconds per frame, without the call's own preparations, which take some 20 milliseconds.
 * It succeeds although every redirect failed: count at the receiver, or with a RedirectCounter.
 * @throws SystemError EINVAL before 5.18 and for a frame too short or too long; ENODEV when the ingress is not in the
 * namespace; EINTR, with part of the frames sent, when a signal came.
 * Source: bpf_test_run_xdp_live(), net/bpf/test_run.c.
 */
export function* runLiveFrames(run: LiveFrames): Operation<number> {
  if (!Number.isInteger(run.count) || run.count < 1) {
    throw new RangeError(`count must be an integer of at least 1, not ${run.count}`)
  }
  const attr = frameAttr(run.program, run.frame, run.count)
    .u32(TEST.flags, BPF_F_TEST_XDP_LIVE_FRAMES)
    // Always named: before 5.18 the flag alone was ignored for XDP, and a run that sent nothing would look well.
    .u32(TEST.batch_size, Math.min(run.count, BATCH_SIZE))
  if (run.ingress !== undefined) {
    const context = xdpContext(run.frame.length, run.ingress)
    attr.u32(TEST.ctx_size_in, context.length).pointer(TEST.ctx_in, context)
  }
  yield* bpf('BPF_PROG_TEST_RUN', attr, run.netns)
  return attr.readU32(TEST.duration)
}

/**
 * BPF_PROG_TEST_RUN of a RAW_TRACEPOINT program, without its tracepoint: once, on the thread that asks, which is in
 * `netns` then. Its context is the arguments. Kernel 5.10.
 * @throws SystemError EINVAL when it reads more arguments. Source: bpf_prog_test_run_raw_tp(), net/bpf/test_run.c.
 */
export function* testRunRawTracepoint(
  program: number,
  args: readonly bigint[],
  netns: Netns,
): Operation<number> {
  const context = new Uint8Array(8 * args.length)
  const view = new DataView(context.buffer)
  for (const [place, value] of args.entries()) view.setBigUint64(8 * place, value, LITTLE_ENDIAN)
  const attr = new BpfAttr(TEST.size)
    .u32(TEST.prog_fd, program)
    .u32(TEST.ctx_size_in, context.length)
    .pointer(TEST.ctx_in, context)
  yield* bpf('BPF_PROG_TEST_RUN', attr, netns)
  return attr.readU32(TEST.retval)
}

function frameAttr(program: number, frame: Uint8Array, repeat: number): BpfAttr {
  return new BpfAttr(TEST.size)
    .u32(TEST.prog_fd, program)
    .u32(TEST.data_size_in, frame.length)
    .pointer(TEST.data_in, frame)
    .u32(TEST.repeat, repeat)
}

/** In user space's struct xdp_md, data and data_end are offsets into the frame. */
function xdpContext(length: number, ingress: number): Uint8Array {
  const bytes = new Uint8Array(XDP_MD.size)
  const view = new DataView(bytes.buffer)
  view.setUint32(XDP_MD.data_end, length, LITTLE_ENDIAN)
  view.setUint32(XDP_MD.ingress_ifindex, ingress, LITTLE_ENDIAN)
  return bytes
}
