import { SystemError } from '../wire/errors.ts'
import { LITTLE_ENDIAN } from '../wire/netlink.ts'
import type { Operation } from '../wire/operation.ts'
import { assemble, INSTRUCTION_SIZE, type Line } from './assembler.ts'
import { BPF_OBJ_NAME_LEN, BpfAttr, bpf } from './command.ts'
import { ProgramError } from './program-error.ts'

/** enum bpf_prog_type, those we load. Source: include/uapi/linux/bpf.h. */
export const BPF_PROG_TYPE = { TRACEPOINT: 5, XDP: 6, RAW_TRACEPOINT: 17 } as const

/** enum bpf_attach_type, those we use. */
export const BPF_ATTACH_TYPE = { XDP: 37 } as const

/** A program to be loaded. */
export interface ProgramSource {
  readonly type: keyof typeof BPF_PROG_TYPE
  /** Shown by bpftool; at most 15 of A-Z a-z 0-9 _ . are kept. */
  readonly name: string
  /** Helpers marked gpl_only in the kernel need one of the licences of include/linux/license.h. */
  readonly license: string
  readonly code: readonly Line[]
  /** enum bpf_attach_type. Left out (0), an XDP program fits every kernel and both ways of attaching it. */
  readonly expectedAttachType?: number
  /** BPF_F_XDP_HAS_FRAGS: it takes frames in several buffers. Kernel 5.18, EINVAL before. */
  readonly hasFrags?: boolean
}

/** What the kernel says of a loaded program. */
export interface ProgramInfo {
  /** enum bpf_prog_type. */
  readonly type: number
  readonly id: number
  /** '' when it was loaded without one. */
  readonly name: string
}

const PROG_LOAD = {
  prog_type: 0,
  insn_cnt: 4,
  insns: 8,
  license: 16,
  log_level: 24,
  log_size: 28,
  log_buf: 32,
  prog_flags: 44,
  prog_name: 48,
  expected_attach_type: 68,
  size: 72,
} as const
const BPF_F_XDP_HAS_FRAGS = 1 << 5
const PROG_GET_FD_BY_ID = { prog_id: 0, size: 12 } as const
const OBJ_GET_INFO = { bpf_fd: 0, info_len: 4, info: 8, size: 16 } as const
/** struct bpf_prog_info up to its name, and up to the misses; it grows at the end. */
const PROG_INFO = { type: 0, id: 4, name: 64, size: 80 } as const
const PROG_INFO_MISSES = { recursion_misses: 208, size: 216 } as const

/** First and last size of the buffer for the verifier's words. */
const LOG_SIZE = { first: 1 << 14, last: 1 << 20 } as const
/** Source: PROG_LOAD_ATTEMPTS in tools/lib/bpf/bpf.c. */
const LOAD_ATTEMPTS = 5

/**
 * BPF_PROG_LOAD: loads a program and answers its descriptor. Kernel 4.15 (names); XDP and raw tracepoint programs
 * are older or as old as what they attach to. Before 5.11 the memory counts against RLIMIT_MEMLOCK (EPERM).
 * @throws ProgramError with the verifier's log when the verifier refused it; SystemError when it did not get
 * that far: EPERM, E2BIG, EINVAL for an unknown program type. Source: kernel/bpf/syscall.c, verifier.c.
 */
export function* loadProgram(source: ProgramSource): Operation<number> {
  const code = assemble(source.code)
  try {
    return yield* load(source, code, new Uint8Array(0))
  } catch (error) {
    if (!(error instanceof SystemError)) throw error
    // Writing the log costs time and memory, so it is asked for only now.
    return yield* loadForItsLog(source, code, error)
  }
}

/** The descriptor should it load this time; throws otherwise. */
function* loadForItsLog(source: ProgramSource, code: Uint8Array, refusal: SystemError): Operation<number> {
  for (let size: number = LOG_SIZE.first; ; size *= 4) {
    const buffer = new Uint8Array(size)
    try {
      return yield* load(source, code, buffer)
    } catch (error) {
      if (!(error instanceof SystemError)) throw error
      // ENOSPC: the log did not fit; from 6.4 on the buffer holds its end, before that its start.
      if (error.code === 'ENOSPC' && size < LOG_SIZE.last) continue
      const log = text(buffer)
      throw log === '' ? refusal : new ProgramError(refusal.errno, source.name, log)
    }
  }
}

/** EAGAIN means that a signal came while the verifier worked: nothing is wrong with the program. */
function* load(source: ProgramSource, code: Uint8Array, log: Uint8Array): Operation<number> {
  for (let attempt = 1; ; attempt++) {
    try {
      return yield* bpf('BPF_PROG_LOAD', loadAttr(source, code, log))
    } catch (error) {
      const again = error instanceof SystemError && error.code === 'EAGAIN' && attempt < LOAD_ATTEMPTS
      if (!again) throw error
    }
  }
}

function loadAttr(source: ProgramSource, code: Uint8Array, log: Uint8Array): BpfAttr {
  return new BpfAttr(PROG_LOAD.size)
    .u32(PROG_LOAD.prog_type, BPF_PROG_TYPE[source.type])
    .u32(PROG_LOAD.insn_cnt, code.length / INSTRUCTION_SIZE)
    .pointer(PROG_LOAD.insns, code)
    .string(PROG_LOAD.license, source.license)
    .u32(PROG_LOAD.log_level, log.length === 0 ? 0 : 1)
    .u32(PROG_LOAD.log_size, log.length)
    .pointer(PROG_LOAD.log_buf, log)
    .u32(PROG_LOAD.prog_flags, source.hasFrags ? BPF_F_XDP_HAS_FRAGS : 0)
    .name(PROG_LOAD.prog_name, source.name)
    .u32(PROG_LOAD.expected_attach_type, source.expectedAttachType ?? 0)
}

/**
 * BPF_PROG_GET_FD_BY_ID: a descriptor for the program with this id, such as IFLA_XDP_PROG_ID gives. Kernel 4.13.
 * @throws SystemError ENOENT when there is none, EPERM without CAP_SYS_ADMIN.
 */
export function openProgram(id: number): Operation<number> {
  return bpf('BPF_PROG_GET_FD_BY_ID', new BpfAttr(PROG_GET_FD_BY_ID.size).u32(PROG_GET_FD_BY_ID.prog_id, id))
}

/**
 * BPF_OBJ_GET_INFO_BY_FD for a program. Kernel 4.15 (the name; it reads '' before).
 * @throws SystemError EBADF, EINVAL. Source: bpf_prog_get_info_by_fd(), kernel/bpf/syscall.c.
 */
export function* getProgramInfo(fd: number): Operation<ProgramInfo> {
  const info = yield* readInfo(fd, PROG_INFO.size)
  const view = new DataView(info.buffer)
  return {
    type: view.getUint32(PROG_INFO.type, LITTLE_ENDIAN),
    id: view.getUint32(PROG_INFO.id, LITTLE_ENDIAN),
    name: text(info.subarray(PROG_INFO.name, PROG_INFO.name + BPF_OBJ_NAME_LEN)),
  }
}

/**
 * How often the kernel passed over a program of a tracepoint, as BPF was at work on that CPU: told for RAW_TRACEPOINT
 * since 5.12, for TRACEPOINT since 6.7; 0 before. Source: trace_call_bpf(), __bpf_trace_run(), kernel/trace/bpf_trace.c.
 */
export function* getMisses(fd: number): Operation<number> {
  const info = yield* readInfo(fd, PROG_INFO_MISSES.size)
  return Number(new DataView(info.buffer).getBigUint64(PROG_INFO_MISSES.recursion_misses, LITTLE_ENDIAN))
}

/** What an older kernel's struct has not stays 0. */
function* readInfo(fd: number, size: number): Operation<Uint8Array<ArrayBuffer>> {
  const info = new Uint8Array(size)
  const attr = new BpfAttr(OBJ_GET_INFO.size)
    .u32(OBJ_GET_INFO.bpf_fd, fd)
    .u32(OBJ_GET_INFO.info_len, info.length)
    .pointer(OBJ_GET_INFO.info, info)
  yield* bpf('BPF_OBJ_GET_INFO_BY_FD', attr)
  return info
}

/** Up to the first NUL. */
function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0)
  return new TextDecoder().decode(end === -1 ? bytes : bytes.subarray(0, end))
}
