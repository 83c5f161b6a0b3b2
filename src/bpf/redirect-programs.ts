import type { Self } from '../wire/operation.ts'
import { type Line, label } from './assembler.ts'
import { BPF_FUNC } from './helper.ts'
import {
  add,
  alu32,
  atomicAdd,
  call,
  exit,
  jump,
  load,
  loadImm64,
  loadMapFd,
  mov,
  R0,
  R1,
  R2,
  R3,
  R4,
  R6,
  R7,
  R10,
  type Register,
  store,
} from './instruction.ts'
import { BPF_UPDATE } from './map.ts'
import type { ProgramSource } from './program.ts'
import { PROGRAM_LICENSE } from './programs.ts'

/** A process, as a BPF program can recognise it from within. */
export type Owner = Pick<Self, 'pid' | 'pidNamespace'>

/** A program and the tracepoint it is for. */
export interface TracepointProgram {
  readonly tracepoint: string
  readonly program: ProgramSource
}

/** The map's key: u32 tracepoint (one of the two numbers), s32 errno. */
export const KEY = { tracepoint: 0, errno: 4, size: 8, xdp_redirect_err: 1, xdp_devmap_xmit: 2 } as const
/** The map's value: u64 each. */
export const VALUE = { accepted: 0, refused: 8, size: 16 } as const

/** The arguments of the tracepoints, by place. Source: TP_PROTO in include/trace/events/xdp.h, since 5.6. */
const REDIRECT_ERR = { dev: 0, xdp: 1, tgt: 2, err: 3 } as const
const DEVMAP_XMIT = { from_dev: 0, to_dev: 1, sent: 2, drops: 3, err: 4 } as const

/** The stack, below R10. */
const STACK = { key: -8, value: -24, pidns: -32 } as const
/** struct bpf_pidns_info: u32 pid, u32 tgid. */
const PIDNS_INFO = { pid: 0, tgid: 4, size: 8 } as const

/** xdp_redirect_err: one frame was refused. */
export function redirectErrCounter(map: number, owner: Owner | null): TracepointProgram {
  return counter('xdp_redirect_err', map, owner, REDIRECT_ERR.err, [
    mov(R1, 1),
    atomicAdd('DW', R0, VALUE.refused, R1),
  ])
}

/**
 * xdp_devmap_xmit: a batch went to ndo_xdp_xmit(). With an err sent is 0 and drops is the whole batch; without one
 * drops is what the device did not take, or what a program in the devmap dropped before.
 * Source: bq_xmit_all(), kernel/bpf/devmap.c, alike in 5.10 and 6.18.
 */
export function devmapXmitCounter(map: number, owner: Owner | null): TracepointProgram {
  return counter('xdp_devmap_xmit', map, owner, DEVMAP_XMIT.err, [
    ...loadCount(R1, DEVMAP_XMIT.sent),
    atomicAdd('DW', R0, VALUE.accepted, R1),
    ...loadCount(R1, DEVMAP_XMIT.drops),
    atomicAdd('DW', R0, VALUE.refused, R1),
  ])
}

/** Finds the element of (tracepoint, err), made of zeros where it is new, and lets `count` add to it at R0. */
function counter(
  tracepoint: 'xdp_redirect_err' | 'xdp_devmap_xmit',
  map: number,
  owner: Owner | null,
  err: number,
  count: readonly Line[],
): TracepointProgram {
  const code = [
    // R6 keeps the context, the arguments, over the calls.
    mov(R6, R1),
    ...(owner === null ? [] : exitUnlessIn(owner)),

    store('W', R10, STACK.key + KEY.tracepoint, KEY[tracepoint]),
    loadArgument(R7, err),
    store('W', R10, STACK.key + KEY.errno, R7),
    ...lookup(map),
    jump('JNE', R0, 0, 'count'),

    store('DW', R10, STACK.value + VALUE.accepted, 0),
    store('DW', R10, STACK.value + VALUE.refused, 0),
    loadMapFd(R1, map),
    ...stackAddress(R2, STACK.key),
    ...stackAddress(R3, STACK.value),
    // Another CPU may have been faster: its element stays, with what it counted.
    mov(R4, Number(BPF_UPDATE.NOEXIST)),
    call(BPF_FUNC.map_update_elem),
    ...lookup(map),
    jump('JEQ', R0, 0, 'out'),

    label('count'),
    ...count,
    label('out'),
    mov(R0, 0),
    exit(),
  ]
  const program = { type: 'RAW_TRACEPOINT', name: tracepoint, license: PROGRAM_LICENSE, code } as const
  return { tracepoint, program }
}

/** R0 = the address of the key's value, or 0. */
function lookup(map: number): Line[] {
  return [loadMapFd(R1, map), ...stackAddress(R2, STACK.key), call(BPF_FUNC.map_lookup_elem)]
}

/**
 * Goes on only in a thread of that process. The helper compares st_dev with the kernel's own dev_t: equal for
 * nsfs, whose major number is 0 and whose minor number is small.
 * Source: bpf_get_ns_current_pid_tgid(), kernel/bpf/helpers.c.
 */
function exitUnlessIn({ pid, pidNamespace }: Owner): Line[] {
  return [
    loadImm64(R1, pidNamespace.device),
    loadImm64(R2, pidNamespace.inode),
    ...stackAddress(R3, STACK.pidns),
    mov(R4, PIDNS_INFO.size),
    // Where it fails, in another pid namespace, it writes zeros: nobody's.
    call(BPF_FUNC.get_ns_current_pid_tgid),
    load('W', R1, R10, STACK.pidns + PIDNS_INFO.tgid),
    jump('JNE', R1, pid, 'out'),
  ]
}

/** An argument as its u64 slot has it: of an int only the lower half is defined. */
function loadArgument(dst: Register, place: number) {
  return load('DW', dst, R6, 8 * place)
}

/** An int that counts, so is not negative, without what the upper half of its slot may hold. */
function loadCount(dst: Register, place: number): Line[] {
  return [loadArgument(dst, place), alu32('MOV', dst, dst)]
}

function stackAddress(dst: Register, offset: number): Line[] {
  return [mov(dst, R10), add(dst, offset)]
}
