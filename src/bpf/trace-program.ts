import { type Line, label } from './assembler.ts'
import { BPF_FUNC } from './helper.ts'
import {
  add,
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
  R9,
  R10,
  type Register,
  stackAddress,
  store,
} from './instruction.ts'
import { KERNEL_MEMORY_LICENSE } from './kernel-memory.ts'
import { BPF_UPDATE } from './map.ts'
import type { ProgramSource } from './program.ts'
import { KEY, PLACE, type TraceMaps, type TracePlace, VALUE } from './trace-map.ts'

/** Which frames a trace counts. */
export interface TraceSelection {
  /** Those too that were delivered. */
  readonly delivered: boolean
  /** Only those with this namespace, by its inode number, at either end; null for all. */
  readonly netnsInode: number | null
}

/** What is different from one tracepoint to the other, and from one form to the other. R6 is the context. */
export interface TraceReader {
  readonly place: TracePlace
  readonly type: 'RAW_TRACEPOINT' | 'TRACEPOINT'
  /** Puts into R7 how many frames were refused, into R8 how many were not. Changes no register from R6 on else. */
  readonly amounts: readonly Line[]
  /** Fills the key on the stack, where it is not to be 0. May go to 'no room', and use R0 to R5. */
  readonly key: readonly Line[]
  /** Fills the names on the stack. May use R0 to R5. */
  readonly names: readonly Line[]
}

/** The stack, below R10. `from` and `to` are addresses of devices, or 0. */
export const STACK = {
  key: -KEY.size,
  value: -KEY.size - VALUE.size,
  scratch: -88,
  from: -96,
  to: -104,
  mapType: -108,
  mapId: -112,
  slot: -116,
} as const

/** Adds the frames to the element of their key, made where it is new; and where there is no room to the one for that. */
export function traceProgram(
  reader: TraceReader,
  { array }: TraceMaps,
  selection: TraceSelection,
): ProgramSource {
  const code = [
    mov(R6, R1),
    ...reader.amounts,
    ...(selection.delivered ? [] : [mov(R8, 0)]),
    mov(R1, R7),
    add(R1, R8),
    jump('JEQ', R1, 0, 'out'),

    store('W', R10, STACK.slot, 0),
    loadMapFd(R1, array.fd),
    ...stackAddress(R2, STACK.slot),
    call(BPF_FUNC.map_lookup_elem),
    jump('JEQ', R0, 0, 'out'),
    mov(R9, R0),

    ...zero(STACK.key, KEY.size),
    ...zero(STACK.to, 2 * 8),
    store('W', R10, STACK.key + KEY.place, PLACE[reader.place]),
    ...reader.key,
    ...(selection.netnsInode === null ? [] : inNetns(selection.netnsInode)),
    ...lookup(),
    jump('JNE', R0, 0, 'count'),

    ...zero(STACK.value, VALUE.size),
    ...reader.names,
    mov(R1, R9),
    ...stackAddress(R2, STACK.key),
    ...stackAddress(R3, STACK.value),
    // Another CPU may have been faster: its element stays, with what it counted.
    mov(R4, Number(BPF_UPDATE.NOEXIST)),
    call(BPF_FUNC.map_update_elem),
    ...lookup(),
    jump('JNE', R0, 0, 'count'),

    label('no room'),
    ...zero(STACK.key, KEY.size),
    ...lookup(),
    jump('JEQ', R0, 0, 'out'),

    label('count'),
    atomicAdd('DW', R0, VALUE.refused, R7),
    ...(selection.delivered ? [atomicAdd('DW', R0, VALUE.delivered, R8)] : []),
    label('out'),
    mov(R0, 0),
    exit(),
  ]
  return { type: reader.type, name: reader.place, license: KERNEL_MEMORY_LICENSE, code }
}

/** Goes on only for a namespace at either end. Of a CPU's frames no namespace is known. */
function inNetns(inode: number): Line[] {
  return [
    load('W', R1, R10, STACK.key + KEY.fromNetns),
    jump32('JEQ', R1, inode | 0, 'in netns'), // an immediate is signed
    load('W', R1, R10, STACK.key + KEY.toNetns),
    jump32('JNE', R1, inode | 0, 'out'),
    label('in netns'),
  ]
}

/** R0 = the address of the key's value in the hash R9, or 0. */
function lookup(): Line[] {
  return [mov(R1, R9), ...stackAddress(R2, STACK.key), call(BPF_FUNC.map_lookup_elem)]
}

function zero(at: number, size: number): Line[] {
  return Array.from({ length: size / 8 }, (_, i) => store('DW', R10, at + 8 * i, 0))
}

/** Puts a register's lower half into the key. */
export function setKey(at: number, src: Register): Line {
  return store('W', R10, STACK.key + at, src)
}
