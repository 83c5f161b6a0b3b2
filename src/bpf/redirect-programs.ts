import { type Line, label } from './assembler.ts'
import { BPF_FUNC } from './helper.ts'
import {
  atomicAdd,
  call,
  exit,
  jump,
  jump32,
  load,
  loadMapFd,
  mov,
  R0,
  R1,
  R2,
  R3,
  R4,
  R6,
  R7,
  R8,
  R10,
  stackAddress,
  store,
} from './instruction.ts'
import { BPF_UPDATE } from './map.ts'
import type { ProgramSource } from './program.ts'
import { PROGRAM_LICENSE } from './programs.ts'
import { loadArgument, loadCount } from './tracepoint.ts'

/** A program and the tracepoint it is for. */
export interface TracepointProgram {
  readonly tracepoint: Tracepoint
  readonly program: ProgramSource
}

type Tracepoint = 'xdp_redirect' | 'xdp_redirect_err' | 'xdp_devmap_xmit'

/** Which redirects are counted. */
export interface Selection {
  /** The key by which a program redirects through a devmap. */
  readonly key: number
  /** Where the tracepoints have that key among their arguments. */
  readonly index: (typeof REDIRECT.index)[number]
  /** A PERCPU_ARRAY of one u64: the device from which this CPU has frames of that key on their way, or 0. */
  readonly underWay: number
}

/** The map's key: u32 tracepoint (one of the numbers), s32 errno. */
export const KEY = {
  tracepoint: 0,
  errno: 4,
  size: 8,
  xdp_redirect_err: 1,
  xdp_devmap_xmit: 2,
  xdp_redirect: 3,
} as const
/** The map's value: u64 each. */
export const VALUE = { accepted: 0, refused: 8, size: 16 } as const

/**
 * The arguments of the tracepoints, by place. Source: TP_PROTO in include/trace/events/xdp.h, since 5.6; `index` moved
 * when the map became its type and id, commit ee75aef23afe (5.13).
 */
export const REDIRECT = { dev: 0, xdp: 1, tgt: 2, err: 3, index: [6, 5] } as const
const DEVMAP_XMIT = { from_dev: 0, to_dev: 1, sent: 2, drops: 3, err: 4 } as const

/** The stack, below R10. */
const STACK = { key: -8, value: -24, zero: -32 } as const

/**
 * xdp_redirect: one frame was queued for the target's driver, or in generic mode handed to the target.
 * Of a selection only: in general these are as many as the frames.
 */
export function redirectCounter(map: number, selection: Selection): TracepointProgram {
  return counter(
    'xdp_redirect',
    REDIRECT.err,
    map,
    [...selected(selection), ...begin(selection)],
    [mov(R1, 1), atomicAdd('DW', R0, VALUE.accepted, R1)],
  )
}

/** xdp_redirect_err: one frame was refused. */
export function redirectErrCounter(map: number, selection: Selection | null): TracepointProgram {
  return counter('xdp_redirect_err', REDIRECT.err, map, selection === null ? [] : selected(selection), [
    mov(R1, 1),
    atomicAdd('DW', R0, VALUE.refused, R1),
  ])
}

/**
 * xdp_devmap_xmit: a batch went to ndo_xdp_xmit(). With an err sent is 0 and drops is the whole batch; without one
 * drops is what the device did not take, or what a program in the devmap dropped before.
 * Source: bq_xmit_all(), kernel/bpf/devmap.c, alike in 5.10 and 6.18.
 */
export function devmapXmitCounter(map: number, selection: Selection | null): TracepointProgram {
  return counter('xdp_devmap_xmit', DEVMAP_XMIT.err, map, selection === null ? [] : end(selection), [
    ...loadCount(R1, DEVMAP_XMIT.sent),
    atomicAdd('DW', R0, VALUE.accepted, R1),
    ...loadCount(R1, DEVMAP_XMIT.drops),
    atomicAdd('DW', R0, VALUE.refused, R1),
  ])
}

/** Finds the element of (tracepoint, err), made of zeros where it is new, and lets `count` add to it at R0. */
function counter(
  tracepoint: Tracepoint,
  err: number,
  map: number,
  select: readonly Line[],
  count: readonly Line[],
): TracepointProgram {
  const code = [
    // R6 keeps the context, the arguments, over the calls.
    mov(R6, R1),
    ...select,

    store('W', R10, STACK.key + KEY.tracepoint, KEY[tracepoint]),
    loadArgument(R7, err),
    store('W', R10, STACK.key + KEY.errno, R7),
    ...lookup(map, STACK.key),
    jump('JNE', R0, 0, 'count'),

    store('DW', R10, STACK.value + VALUE.accepted, 0),
    store('DW', R10, STACK.value + VALUE.refused, 0),
    loadMapFd(R1, map),
    ...stackAddress(R2, STACK.key),
    ...stackAddress(R3, STACK.value),
    // Another CPU may have been faster: its element stays, with what it counted.
    mov(R4, Number(BPF_UPDATE.NOEXIST)),
    call(BPF_FUNC.map_update_elem),
    ...lookup(map, STACK.key),
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

/** Goes on only for a frame that was redirected by the selection's key. */
function selected({ key, index }: Selection): Line[] {
  return [loadArgument(R1, index), jump32('JNE', R1, key | 0, 'out')]
}

/**
 * xdp_devmap_xmit does not tell the key, only the device that the batch came from. But a batch is sent by the CPU that
 * queued it, before anything else from that device can be queued there: within one NAPI poll, or one run of live
 * frames. So the first batch from there that this CPU sends is that of the frames it has just queued.
 * Source: bq_enqueue(), kernel/bpf/devmap.c.
 */
function begin({ underWay }: Selection): Line[] {
  return [...lookupUnderWay(underWay), loadArgument(R1, REDIRECT.dev), store('DW', R0, 0, R1)]
}

function end({ underWay }: Selection): Line[] {
  return [
    ...lookupUnderWay(underWay),
    load('DW', R8, R0, 0),
    loadArgument(R1, DEVMAP_XMIT.from_dev),
    jump('JNE', R1, R8, 'out'),
    store('DW', R0, 0, 0),
  ]
}

/** R0 = the address of this CPU's device. */
function lookupUnderWay(map: number): Line[] {
  return [store('W', R10, STACK.zero, 0), ...lookup(map, STACK.zero), jump('JEQ', R0, 0, 'out')]
}

/** R0 = the address of the value of the key on the stack, or 0. */
function lookup(map: number, key: number): Line[] {
  return [loadMapFd(R1, map), ...stackAddress(R2, key), call(BPF_FUNC.map_lookup_elem)]
}
