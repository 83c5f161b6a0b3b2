import { SystemError } from '../wire/errors.ts'
import { LITTLE_ENDIAN } from '../wire/netlink.ts'
import { type Netns, OWN_NETNS } from '../wire/netns.ts'
import type { Operation } from '../wire/operation.ts'
import { BpfAttr, bpf } from './command.ts'

/** enum bpf_map_type, those we make. DEVMAP_HASH is Kernel 5.4; what is in a per-CPU map is not read here. */
export const BPF_MAP_TYPE = {
  HASH: 1,
  ARRAY: 2,
  PERCPU_ARRAY: 6,
  ARRAY_OF_MAPS: 12,
  DEVMAP_HASH: 25,
} as const

/** A map's shape, as it is created. Sizes in bytes. */
export interface MapShape {
  readonly type: keyof typeof BPF_MAP_TYPE
  /** Shown by bpftool; at most 15 of A-Z a-z 0-9 _ . are kept. */
  readonly name: string
  /** An array's is 4, and a devmap's. */
  readonly keySize: number
  readonly valueSize: number
  readonly maxEntries: number
}

/** A map that we made: its shape and its descriptor. */
export interface BpfMap extends MapShape {
  readonly fd: number
}

/** Flags of an update: make or replace; make only (EEXIST); replace only (ENOENT). */
export const BPF_UPDATE = { ANY: 0n, NOEXIST: 1n, EXIST: 2n } as const

const MAP_CREATE = {
  map_type: 0,
  key_size: 4,
  value_size: 8,
  max_entries: 12,
  inner_map_fd: 20,
  map_name: 28,
  size: 44,
} as const
const OBJ_GET_INFO = { bpf_fd: 0, info_len: 4, info: 8, size: 16 } as const
/** struct bpf_map_info up to its id; it grows at the end. */
const MAP_INFO = { type: 0, id: 4, size: 8 } as const
const ELEM = { map_fd: 0, key: 8, value: 16, next_key: 16, flags: 24, size: 32 } as const
const BATCH = { out_batch: 8, keys: 16, values: 24, count: 32, map_fd: 36, size: 56 } as const
/** Where a hash goes on: the number of a bucket. */
const BATCH_POSITION_SIZE = 4

/**
 * BPF_MAP_CREATE. Kernel 4.15 (names). Before 5.11 the memory counts against RLIMIT_MEMLOCK (EPERM).
 * An ARRAY_OF_MAPS takes maps of the shape of `inner`.
 * @throws SystemError EPERM, EINVAL for a shape that the type does not have, ENOMEM. Source: kernel/bpf/syscall.c.
 */
export function* createMap(shape: MapShape, inner: BpfMap | null = null): Operation<BpfMap> {
  const attr = new BpfAttr(MAP_CREATE.size)
    .u32(MAP_CREATE.map_type, BPF_MAP_TYPE[shape.type])
    .u32(MAP_CREATE.key_size, shape.keySize)
    .u32(MAP_CREATE.value_size, shape.valueSize)
    .u32(MAP_CREATE.max_entries, shape.maxEntries)
    .u32(MAP_CREATE.inner_map_fd, inner?.fd ?? 0)
    .name(MAP_CREATE.map_name, shape.name)
  const fd = yield* bpf('BPF_MAP_CREATE', attr)
  return { ...shape, fd }
}

/** BPF_OBJ_GET_INFO_BY_FD: the number that no other map of this machine has while this one lives. Kernel 4.13. */
export function* getMapId({ fd }: BpfMap): Operation<number> {
  const info = new Uint8Array(MAP_INFO.size)
  const attr = new BpfAttr(OBJ_GET_INFO.size)
    .u32(OBJ_GET_INFO.bpf_fd, fd)
    .u32(OBJ_GET_INFO.info_len, info.length)
    .pointer(OBJ_GET_INFO.info, info)
  yield* bpf('BPF_OBJ_GET_INFO_BY_FD', attr)
  return new DataView(info.buffer).getUint32(MAP_INFO.id, LITTLE_ENDIAN)
}

/** BPF_MAP_LOOKUP_ELEM: a copy of the key's value, or null. Kernel 3.18. */
export function* lookupElement(map: BpfMap, key: Uint8Array): Operation<Uint8Array | null> {
  const value = new Uint8Array(map.valueSize)
  const attr = element(map, key).pointer(ELEM.value, value)
  return (yield* found(bpf('BPF_MAP_LOOKUP_ELEM', attr))) ? value : null
}

/**
 * BPF_MAP_UPDATE_ELEM. Kernel 3.18. A devmap looks its devices up in `netns`.
 * @throws SystemError EEXIST or ENOENT as the flag wants it, E2BIG when the map is full or the index too high,
 * EINVAL when a devmap's device is not there.
 */
export function* updateElement(
  map: BpfMap,
  key: Uint8Array,
  value: Uint8Array,
  flag: keyof typeof BPF_UPDATE = 'ANY',
  netns: Netns = OWN_NETNS,
): Operation<void> {
  sized(value, map.valueSize, 'value', map)
  const attr = element(map, key).pointer(ELEM.value, value).u64(ELEM.flags, BPF_UPDATE[flag])
  yield* bpf('BPF_MAP_UPDATE_ELEM', attr, netns)
}

/** BPF_MAP_GET_NEXT_KEY: the key after this one, the first for null; null after the last. Kernel 4.12 (null). */
export function* nextKey(map: BpfMap, key: Uint8Array | null): Operation<Uint8Array | null> {
  const next = new Uint8Array(map.keySize)
  const attr = element(map, key).pointer(ELEM.next_key, next)
  return (yield* found(bpf('BPF_MAP_GET_NEXT_KEY', attr))) ? next : null
}

/**
 * Every element, in the map's order. No snapshot: what is added meanwhile may be missing, and an element that is
 * deleted meanwhile makes a hash start again from its first key, so at most maxEntries are read.
 */
export function* readElements(map: BpfMap): Operation<(readonly [key: Uint8Array, value: Uint8Array])[]> {
  const elements: (readonly [Uint8Array, Uint8Array])[] = []
  let key = yield* nextKey(map, null)
  for (let steps = 0; key !== null && steps < map.maxEntries; steps++) {
    const value = yield* lookupElement(map, key)
    if (value !== null) elements.push([key, value])
    key = yield* nextKey(map, key)
  }
  return elements
}

/**
 * BPF_MAP_LOOKUP_AND_DELETE_BATCH: takes all elements out of a hash that nothing writes to meanwhile, in one call.
 * Kernel 5.6. Source: __htab_map_lookup_and_delete_batch(), kernel/bpf/hashtab.c.
 */
export function* takeElements(map: BpfMap): Operation<(readonly [key: Uint8Array, value: Uint8Array])[]> {
  const { keySize, valueSize, maxEntries } = map
  const [keys, values] = [new Uint8Array(maxEntries * keySize), new Uint8Array(maxEntries * valueSize)]
  const attr = new BpfAttr(BATCH.size)
    .pointer(BATCH.out_batch, new Uint8Array(BATCH_POSITION_SIZE))
    .pointer(BATCH.keys, keys)
    .pointer(BATCH.values, values)
    .u32(BATCH.count, maxEntries)
    .u32(BATCH.map_fd, map.fd)
  // ENOENT: there are no more; those that there were are in the buffers all the same.
  yield* found(bpf('BPF_MAP_LOOKUP_AND_DELETE_BATCH', attr))
  return Array.from({ length: attr.readU32(BATCH.count) }, (_, i) => [
    keys.subarray(i * keySize, (i + 1) * keySize),
    values.subarray(i * valueSize, (i + 1) * valueSize),
  ])
}

function element(map: BpfMap, key: Uint8Array | null): BpfAttr {
  const attr = new BpfAttr(ELEM.size).u32(ELEM.map_fd, map.fd)
  return key === null ? attr : attr.pointer(ELEM.key, sized(key, map.keySize, 'key', map))
}

/** The kernel would read past a buffer that is too short. */
function sized(bytes: Uint8Array, size: number, what: string, map: BpfMap): Uint8Array {
  if (bytes.length === size) return bytes
  throw new RangeError(`a ${what} of map ${map.name} has ${size} bytes, not ${bytes.length}`)
}

function* found(call: Operation<number>): Operation<boolean> {
  try {
    yield* call
    return true
  } catch (error) {
    if (error instanceof SystemError && error.code === 'ENOENT') return false
    throw error
  }
}
