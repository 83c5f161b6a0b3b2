import { type Line, label } from './assembler.ts'
import { BPF_FUNC } from './helper.ts'
import {
  add,
  alu64,
  call,
  goto,
  jump,
  jump32,
  load,
  mov,
  R0,
  R1,
  R2,
  R3,
  R7,
  R8,
  R10,
  type Register,
  stackAddress,
  store,
} from './instruction.ts'
import { readKernel } from './kernel-memory.ts'
import { BPF_MAP_TYPE } from './map.ts'
import { IFNAMSIZ, type NetDeviceLayout } from './net-device-layout.ts'
import { KEY, VALUE } from './trace-map.ts'
import { STACK, setKey, type TraceReader } from './trace-program.ts'
import { loadArgument, loadCount } from './tracepoint.ts'

/**
 * What raw tracepoints hand over: TP_PROTO of include/trace/events/xdp.h, by place, u64 each. xdp_bulk_tx is of 5.3,
 * the others are older; alike in 5.10, 6.1, 6.12, 6.18 and 7.3. Since 5.6 (commit 1d233886dd90) xdp_redirect_map_err,
 * where it is still listed, is never called: xdp_redirect_err tells of maps as well.
 */
const BULK_TX = { dev: 0, sent: 1, drops: 2, err: 3 } as const
const DEVMAP_XMIT = { from_dev: 0, to_dev: 1, sent: 2, drops: 3, err: 4 } as const
const CPUMAP_ENQUEUE = { map_id: 0, processed: 1, drops: 2, to_cpu: 3 } as const
const CPUMAP_KTHREAD = { map_id: 0, processed: 1, drops: 2 } as const
const EXCEPTION = { dev: 0, act: 2 } as const
const REDIRECT = { dev: 0, tgt: 2, err: 3 } as const
/** From 5.13 on the map is its type and its id, commit ee75aef23afe; before that its address. */
const BY_TYPE = { map_type: 4, map_id: 5, index: 6 } as const
const BY_ADDRESS = { map: 4, index: 5 } as const

/** No map at all: bpf_redirect(). Source: bpf_xdp_redirect(), net/core/filter.c. */
const NO_MAP = { type: 0, id: 0x7fffffff } as const
/** enum bpf_map_type. */
const DEVMAP = 14

/** How xdp_redirect_err tells of the map. */
export type RedirectArguments = 'map by type' | 'map by address'

/** What reads the arguments of each tracepoint. */
export function rawReaders(layout: NetDeviceLayout, redirect: RedirectArguments): TraceReader[] {
  const device = (at: Device) => deviceKey(at, layout)
  const name = (at: Device) => deviceName(at, layout)
  const raw = { type: 'RAW_TRACEPOINT', names: [] } as const
  return [
    {
      ...raw,
      place: 'xdp_redirect_err',
      amounts: [mov(R7, 1), mov(R8, 0)],
      key: [
        ...keep(STACK.from, REDIRECT.dev),
        ...device(FROM),
        ...keyOf(KEY.errno, REDIRECT.err),
        ...(redirect === 'map by type' ? mapByType() : mapByAddress(layout)),
        ...redirectTarget(layout, redirect),
      ],
      names: [...name(FROM), ...name(TO)],
    },
    {
      ...raw,
      place: 'xdp_devmap_xmit',
      amounts: [...loadCount(R7, DEVMAP_XMIT.drops), ...loadCount(R8, DEVMAP_XMIT.sent)],
      key: [
        ...keep(STACK.from, DEVMAP_XMIT.from_dev),
        ...device(FROM),
        ...keep(STACK.to, DEVMAP_XMIT.to_dev),
        ...device(TO),
        ...keyOf(KEY.errno, DEVMAP_XMIT.err),
      ],
      names: [...name(FROM), ...name(TO)],
    },
    {
      ...raw,
      // The target of XDP_TX is the device itself.
      place: 'xdp_bulk_tx',
      amounts: [...loadCount(R7, BULK_TX.drops), ...loadCount(R8, BULK_TX.sent)],
      key: [
        ...keep(STACK.from, BULK_TX.dev),
        ...device(FROM),
        ...keep(STACK.to, BULK_TX.dev),
        ...device(TO),
        ...keyOf(KEY.errno, BULK_TX.err),
      ],
      names: [...name(FROM), ...name(TO)],
    },
    {
      ...raw,
      place: 'xdp_cpumap_enqueue',
      amounts: lostOfProcessed(CPUMAP_ENQUEUE),
      key: [...keyOf(KEY.map, CPUMAP_ENQUEUE.map_id), ...keyOf(KEY.detail, CPUMAP_ENQUEUE.to_cpu)],
    },
    {
      ...raw,
      place: 'xdp_cpumap_kthread',
      amounts: lostOfProcessed(CPUMAP_KTHREAD),
      key: [
        ...keyOf(KEY.map, CPUMAP_KTHREAD.map_id),
        call(BPF_FUNC.get_smp_processor_id),
        setKey(KEY.detail, R0),
      ],
    },
    {
      ...raw,
      place: 'xdp_exception',
      amounts: [mov(R7, 1), mov(R8, 0)],
      key: [...keep(STACK.from, EXCEPTION.dev), ...device(FROM), ...keyOf(KEY.detail, EXCEPTION.act)],
      names: name(FROM),
    },
  ]
}

interface Device {
  readonly address: number
  readonly index: number
  readonly netns: number
  readonly name: number
}
const FROM: Device = { address: STACK.from, index: KEY.from, netns: KEY.fromNetns, name: VALUE.fromName }
const TO: Device = { address: STACK.to, index: KEY.to, netns: KEY.toNetns, name: VALUE.toName }

/** Puts the map's type and id on the stack. */
function mapByType(): Line[] {
  return [
    loadArgument(R1, BY_TYPE.map_type),
    store('W', R10, STACK.mapType, R1),
    loadArgument(R1, BY_TYPE.map_id),
    store('W', R10, STACK.mapId, R1),
  ]
}

function mapByAddress({ bpf_map }: NetDeviceLayout): Line[] {
  return [
    store('W', R10, STACK.mapType, NO_MAP.type),
    store('W', R10, STACK.mapId, NO_MAP.id),
    loadArgument(R0, BY_ADDRESS.map),
    jump('JEQ', R0, 0, 'map known'),
    ...read('W', R1, R0, bpf_map.map_type, 'no room'),
    store('W', R10, STACK.mapType, R1),
    loadArgument(R0, BY_ADDRESS.map),
    ...read('W', R1, R0, bpf_map.id, 'no room'),
    store('W', R10, STACK.mapId, R1),
    label('map known'),
  ]
}

/**
 * The target as TP_fast_assign finds it: by bpf_redirect() the index says it, which counts in the namespace of the
 * device that the frame came from, and tgt is that device in native mode; a devmap's tgt begins with the device's
 * address. Of a broadcast, of CPUs and of AF_XDP there is none.
 */
function redirectTarget(layout: NetDeviceLayout, redirect: RedirectArguments): Line[] {
  const { index } = redirect === 'map by type' ? BY_TYPE : BY_ADDRESS
  return [
    load('W', R1, R10, STACK.mapType),
    load('W', R2, R10, STACK.mapId),
    loadArgument(R3, index),
    jump32('JNE', R1, NO_MAP.type, 'by map'),
    jump32('JNE', R2, NO_MAP.id, 'by map'),
    setKey(KEY.to, R3),
    load('W', R1, R10, STACK.key + KEY.fromNetns),
    setKey(KEY.toNetns, R1),
    // A frame that has no room for its description (EOVERFLOW) is refused while tgt is still an earlier frame's.
    loadArgument(R0, REDIRECT.tgt),
    jump('JEQ', R0, 0, 'target'),
    ...read('W', R1, R0, layout.net_device.ifindex, 'target'),
    load('W', R2, R10, STACK.key + KEY.to),
    jump32('JNE', R1, R2, 'target'),
    loadArgument(R1, REDIRECT.tgt),
    store('DW', R10, STACK.to, R1),
    goto('target'),

    label('by map'),
    setKey(KEY.map, R2),
    jump32('JEQ', R1, DEVMAP, 'devmap'),
    jump32('JEQ', R1, BPF_MAP_TYPE.DEVMAP_HASH, 'devmap'),
    label('no device'),
    setKey(KEY.detail, R3),
    goto('target'),
    label('devmap'),
    loadArgument(R0, REDIRECT.tgt),
    jump('JEQ', R0, 0, 'no device'),
    ...read('DW', R1, R0, DTAB_NETDEV.dev, 'no room'),
    store('DW', R10, STACK.to, R1),
    ...deviceKey(TO, layout),
    label('target'),
  ]
}
/** struct bpf_dtab_netdev, "must be first member, due to tracepoint". Source: kernel/bpf/devmap.c. */
const DTAB_NETDEV = { dev: 0 } as const

/** The index and the namespace of the device whose address is on the stack. */
function deviceKey({ address, index, netns }: Device, { net_device, net }: NetDeviceLayout): Line[] {
  return [
    load('DW', R0, R10, address),
    ...read('W', R1, R0, net_device.ifindex, 'no room'),
    setKey(index, R1),
    load('DW', R0, R10, address),
    ...read('DW', R0, R0, net_device.net, 'no room'),
    ...read('W', R1, R0, net.inum, 'no room'),
    setKey(netns, R1),
  ]
}

/** Where it cannot be read it stays empty. */
function deviceName({ address, name }: Device, { net_device }: NetDeviceLayout): Line[] {
  const none = `no name at ${name}`
  return [
    load('DW', R3, R10, address),
    jump('JEQ', R3, 0, none),
    add(R3, net_device.name),
    ...stackAddress(R1, STACK.value + name),
    mov(R2, IFNAMSIZ),
    call(BPF_FUNC.probe_read_kernel),
    label(none),
  ]
}

function read(size: 'W' | 'DW', dst: Register, base: Register, offset: number, unreadable: string): Line[] {
  return readKernel(size, dst, base, offset, STACK.scratch, unreadable)
}

/** `processed` are all, those that were lost too. Source: bq_flush_to_queue(), kernel/bpf/cpumap.c. */
function lostOfProcessed({ processed, drops }: { processed: number; drops: number }): Line[] {
  return [...loadCount(R7, drops), ...loadCount(R8, processed), alu64('SUB', R8, R7)]
}

function keyOf(at: number, place: number): Line[] {
  return [loadArgument(R1, place), setKey(at, R1)]
}

/** Keeps an address on the stack. */
function keep(at: number, place: number): Line[] {
  return [loadArgument(R1, place), store('DW', R10, at, R1)]
}
