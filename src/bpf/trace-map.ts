import { LITTLE_ENDIAN } from '../wire/netlink.ts'
import type { Operation } from '../wire/operation.ts'
import { readText } from '../wire/text.ts'
import { closeDescriptor } from './descriptor.ts'
import { type BpfMap, createMap, takeElements, updateElement } from './map.ts'
import { IFNAMSIZ } from './net-device-layout.ts'

/** Where the kernel tells how a redirect ended, by its number in the map. */
export const PLACE = {
  xdp_redirect_err: 1,
  xdp_devmap_xmit: 2,
  xdp_bulk_tx: 3,
  xdp_cpumap_enqueue: 4,
  xdp_cpumap_kthread: 5,
  xdp_exception: 6,
} as const
export type TracePlace = keyof typeof PLACE

/**
 * The map's key, u32 each; 0 is none. `detail` is the place's own: where no device is the target, the index in the map,
 * or the CPU; at xdp_exception the program's result.
 */
export const KEY = {
  place: 0,
  errno: 4,
  from: 8,
  fromNetns: 12,
  to: 16,
  toNetns: 20,
  map: 24,
  detail: 28,
  size: 32,
} as const
/** The map's value: u64 each, and the names that the devices had when the element was made. */
export const VALUE = {
  refused: 0,
  delivered: 8,
  fromName: 16,
  toName: 16 + IFNAMSIZ,
  size: 16 + 2 * IFNAMSIZ,
} as const

/** A device as the kernel's memory has it. */
export interface TracedEnd {
  readonly index: number
  /** The namespace's inode number; null where only the index is told. */
  readonly netnsInode: number | null
  /** The name it had when the first of these frames came; null where only the index is told. */
  readonly name: string | null
}

/** Frames that ended in one way. */
export interface TraceCount {
  readonly place: TracePlace
  /** 0, or the error, negative. */
  readonly errno: number
  readonly from: TracedEnd | null
  readonly to: TracedEnd | null
  /** The id of the map by which they were redirected, or null. */
  readonly mapId: number | null
  readonly detail: number
  readonly refused: number
  readonly delivered: number
}

/** What was counted since the last time. */
export interface TraceTally {
  readonly counts: readonly TraceCount[]
  /** Frames that found no room in the map, and what the kernel passed the programs over for: nothing else is known of them. */
  readonly uncounted: number
}

/**
 * Two hashes, of which programs find one by way of an array of maps. To read, the other one takes its place, and once
 * the kernel has waited for the programs that still use the first, that is emptied: so each frame is counted once, and
 * what is long past takes no room.
 */
export interface TraceMaps {
  /** By which programs find the hash in use. */
  readonly array: BpfMap
  /** The one in use, and the other. */
  readonly hashes: [inUse: BpfMap, idle: BpfMap]
}

/** The element for what finds no room is always there. */
const NO_ROOM = new Uint8Array(KEY.size)
const ONLY_SLOT = new Uint8Array(4)

export function* createTraceMaps(entries: number): Operation<TraceMaps> {
  const opened: BpfMap[] = []
  const open = function* (making: Operation<BpfMap>): Operation<BpfMap> {
    const map = yield* making
    opened.push(map)
    return map
  }
  const shape = {
    type: 'HASH',
    name: 'veth_nl_trace',
    keySize: KEY.size,
    valueSize: VALUE.size,
    maxEntries: entries + 1,
  } as const
  try {
    const inUse = yield* open(createMap(shape))
    const idle = yield* open(createMap(shape))
    const slots = {
      type: 'ARRAY_OF_MAPS',
      name: 'veth_nl_trace',
      keySize: 4,
      valueSize: 4,
      maxEntries: 1,
    } as const
    const array = yield* open(createMap(slots, inUse))
    yield* use(array, inUse)
    return { array, hashes: [inUse, idle] }
  } catch (error) {
    for (const map of opened) yield* closeDescriptor(map.fd)
    throw error
  }
}

/** Takes what was counted out of the maps. */
export function* takeTally({ array, hashes }: TraceMaps): Operation<TraceTally> {
  const [counted, other] = hashes
  yield* use(array, other)
  hashes.reverse()
  let uncounted = 0
  const counts: TraceCount[] = []
  for (const [key, value] of yield* takeElements(counted)) {
    const count = traceCount(key, value)
    if (count === null) uncounted += u64(value, VALUE.refused) + u64(value, VALUE.delivered)
    else counts.push(count)
  }
  return { counts, uncounted }
}

export function* closeTraceMaps({ array, hashes }: TraceMaps): Operation<void> {
  for (const { fd } of [array, ...hashes]) yield* closeDescriptor(fd)
}

/**
 * From here on programs count in that hash. The kernel comes back from the update of such an array only when no
 * program runs any more that may have found the hash before.
 * Source: maybe_wait_bpf_programs(), kernel/bpf/syscall.c, from 4.20 to 7.x.
 */
function* use(array: BpfMap, hash: BpfMap): Operation<void> {
  yield* updateElement(hash, NO_ROOM, new Uint8Array(VALUE.size))
  const descriptor = new Uint8Array(4)
  new DataView(descriptor.buffer).setInt32(0, hash.fd, LITTLE_ENDIAN)
  yield* updateElement(array, ONLY_SLOT, descriptor)
}

const PLACES = new Map<number, TracePlace>(
  (Object.keys(PLACE) as TracePlace[]).map(name => [PLACE[name], name]),
)

/** null for the frames that found no room. */
function traceCount(key: Uint8Array, value: Uint8Array): TraceCount | null {
  const view = new DataView(key.buffer, key.byteOffset)
  const u32 = (at: number) => view.getUint32(at, LITTLE_ENDIAN)
  const place = PLACES.get(u32(KEY.place))
  if (place === undefined) return null
  const end = (index: number, netns: number, name: number): TracedEnd | null =>
    u32(index) === 0
      ? null
      : { index: u32(index), netnsInode: u32(netns) || null, name: nameAt(value, name) || null }
  return {
    place,
    errno: view.getInt32(KEY.errno, LITTLE_ENDIAN),
    from: end(KEY.from, KEY.fromNetns, VALUE.fromName),
    to: end(KEY.to, KEY.toNetns, VALUE.toName),
    mapId: u32(KEY.map) || null,
    detail: u32(KEY.detail),
    refused: u64(value, VALUE.refused),
    delivered: u64(value, VALUE.delivered),
  }
}

function nameAt(value: Uint8Array, at: number): string {
  return readText(new DataView(value.buffer, value.byteOffset), at, IFNAMSIZ)
}

function u64(value: Uint8Array, at: number): number {
  return Number(new DataView(value.buffer, value.byteOffset).getBigUint64(at, LITTLE_ENDIAN))
}
