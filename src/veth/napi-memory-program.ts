import { type Line, label } from '../bpf/assembler.ts'
import { BPF_FUNC } from '../bpf/helper.ts'
import {
  add,
  alu64,
  call,
  exit,
  goto,
  jump,
  load,
  loadMapFd,
  mov,
  R0,
  R1,
  R2,
  R3,
  R6,
  R7,
  R8,
  R9,
  R10,
  type Register,
  type Size,
  store,
} from '../bpf/instruction.ts'
import { currentTask, KERNEL_MEMORY_LICENSE, readKernel } from '../bpf/kernel-memory.ts'
import type { ProgramSource } from '../bpf/program.ts'

/** Where things are in the running kernel's structs, in bytes. */
export interface VethLayout {
  readonly task_struct: { readonly nsproxy: number }
  readonly nsproxy: { readonly net_ns: number }
  readonly net: { readonly dev_index_head: number }
  readonly net_device: {
    readonly ifindex: number
    readonly index_hlist: number
    readonly real_num_rx_queues: number
    /** What netdev_priv() adds. */
    readonly priv: number
  }
  readonly veth_priv: { readonly peer: number; readonly rq: number }
  readonly veth_rq: { readonly napi: number; readonly dev: number; readonly size: number }
}

/** struct hlist_head and hlist_node both begin with the pointer to the first or next node. */
const HLIST = { first: 0, next: 0, size: 8 } as const
/** Source: NETDEV_HASHENTRIES, include/linux/netdevice.h. */
const NETDEV_HASHENTRIES = 256

/** How many devices of a hash chain are looked at: one in 256 devices of a namespace is in the same. */
export const MOST_HOPS = 64
/** How many receive queues one run looks at. The verifier walks through each, and takes some 50 µs for it. */
export const QUEUES_PER_RUN = 32

/** The map's only value: two ends of a veth, u32 but for the queues, which have a byte each. */
const END = { ifindex: 0, rx: 4, napi: 8, size: 8 + QUEUES_PER_RUN } as const
export const RESULT = { end: END, own: 0, peer: END.size, size: 2 * END.size } as const

/** The program's arguments: which device, and the queue to begin with. */
const ARGUMENT = { ifindex: 0, first: 8 } as const
/** How the program ended: its result. */
export const ENDED = { UNREADABLE: 0, READ: 1, NO_DEVICE: 2, TOO_MANY_DEVICES: 3, NO_VETH: 4 } as const

/** The stack, below R10. */
const STACK = { scratch: -8, key: -16, ifindex: -24, device: -32, peer: -40, first: -48, left: -56 } as const

/**
 * Reads, without a frame, which receive queues of a veth and of its peer have NAPI. For
 * testRunRawTracepoint() on a thread in the veth's namespace, with the veth's ifindex and the first queue: the kernel
 * runs it under rcu_read_lock(), so that what it finds stays.
 * Source: veth_xdp_xmit() and struct veth_priv, drivers/net/veth.c; dev_get_by_index_rcu(), net/core/dev.c.
 */
export function vethNapiReader(map: number, layout: VethLayout): ProgramSource {
  const { veth_priv, net_device } = layout
  const code = [
    load('DW', R7, R1, ARGUMENT.ifindex),
    store('DW', R10, STACK.ifindex, R7),
    load('DW', R7, R1, ARGUMENT.first),
    store('DW', R10, STACK.first, R7),

    store('W', R10, STACK.key, 0),
    loadMapFd(R1, map),
    mov(R2, R10),
    add(R2, STACK.key),
    call(BPF_FUNC.map_lookup_elem),
    jump('JEQ', R0, 0, 'unreadable'),
    mov(R9, R0),

    ...findDevice(layout),
    store('DW', R10, STACK.device, R6),

    // That it is a veth: its peer's peer is the device itself.
    ...read('DW', R8, R6, net_device.priv + veth_priv.peer),
    jump('JEQ', R8, 0, 'no veth'),
    store('DW', R10, STACK.peer, R8),
    ...read('DW', R7, R8, net_device.priv + veth_priv.peer),
    jump('JNE', R7, R6, 'no veth'),

    ...readEnd('own', RESULT.own, layout),
    load('DW', R6, R10, STACK.peer),
    ...readEnd('peer', RESULT.peer, layout),

    mov(R0, ENDED.READ),
    exit(),
    label('no device'),
    mov(R0, ENDED.NO_DEVICE),
    exit(),
    label('too many devices'),
    mov(R0, ENDED.TOO_MANY_DEVICES),
    exit(),
    label('no veth'),
    mov(R0, ENDED.NO_VETH),
    exit(),
    label('unreadable'),
    mov(R0, ENDED.UNREADABLE),
    exit(),
  ]
  return { type: 'RAW_TRACEPOINT', name: 'veth_nl_napi', license: KERNEL_MEMORY_LICENSE, code }
}

/** R6 = the struct net_device with the ifindex on the stack, in this thread's namespace. */
function findDevice({ task_struct, nsproxy, net, net_device }: VethLayout): Line[] {
  return [
    ...currentTask(),
    ...read('DW', R6, R0, task_struct.nsproxy),
    ...read('DW', R6, R6, nsproxy.net_ns),
    ...read('DW', R6, R6, net.dev_index_head),
    load('DW', R7, R10, STACK.ifindex),
    alu64('AND', R7, NETDEV_HASHENTRIES - 1),
    alu64('MUL', R7, HLIST.size),
    add(R6, R7),
    ...read('DW', R6, R6, HLIST.first),

    mov(R7, 0),
    label('next device'),
    jump('JEQ', R6, 0, 'no device'),
    ...read('W', R8, R6, net_device.ifindex - net_device.index_hlist),
    load('DW', R1, R10, STACK.ifindex),
    jump('JEQ', R8, R1, 'device'),
    ...read('DW', R6, R6, HLIST.next),
    add(R7, 1),
    jump('JLT', R7, MOST_HOPS, 'next device'),
    goto('too many devices'),

    label('device'),
    add(R6, -net_device.index_hlist),
  ]
}

/** Puts what is known of the veth R6 into the map's value R9, from `at` on. */
function readEnd(name: string, at: number, { net_device, veth_priv, veth_rq }: VethLayout): Line[] {
  return [
    ...read('W', R7, R6, net_device.ifindex),
    store('W', R9, at + END.ifindex, R7),
    ...read('W', R7, R6, net_device.real_num_rx_queues),
    store('W', R9, at + END.rx, R7),
    load('DW', R1, R10, STACK.first),
    alu64('SUB', R7, R1),
    store('DW', R10, STACK.left, R7),
    ...read('DW', R8, R6, net_device.priv + veth_priv.rq),
    load('DW', R1, R10, STACK.first),
    alu64('MUL', R1, veth_rq.size),
    add(R8, R1),

    mov(R7, 0),
    label(`next queue ${name}`),
    load('DW', R1, R10, STACK.left),
    jump('JSGE', R7, R1, `done ${name}`),
    // That it is a queue: it names its device.
    ...read('DW', R0, R8, veth_rq.dev),
    jump('JNE', R0, R6, 'no veth'),
    ...read('DW', R0, R8, veth_rq.napi),
    mov(R1, 0),
    jump('JEQ', R0, 0, `no napi ${name}`),
    // Only that there is an address, never the address itself.
    mov(R1, 1),
    label(`no napi ${name}`),
    mov(R3, R9),
    add(R3, R7),
    store('B', R3, at + END.napi, R1),
    add(R8, veth_rq.size),
    add(R7, 1),
    jump('JLT', R7, QUEUES_PER_RUN, `next queue ${name}`),
    label(`done ${name}`),
  ]
}

function read(size: Size, dst: Register, base: Register, offset: number): Line[] {
  return readKernel(size, dst, base, offset, STACK.scratch, 'unreadable')
}
