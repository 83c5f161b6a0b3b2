import { LITTLE_ENDIAN } from '../wire/netlink.ts'
import type { Netns } from '../wire/netns.ts'
import type { Operation } from '../wire/operation.ts'
import { closeDescriptor } from './descriptor.ts'
import { type BpfMap, createMap, getMapId, updateElement } from './map.ts'

/** A devmap with one device, under a key that tells what is redirected by it from all else on the machine. */
export interface RedirectDevmap extends BpfMap {
  readonly key: number
}

/** Above all ifindexes and all arrays' indexes, which is what else the redirect tracepoints report. */
const BEYOND_INDEXES = 0x8000_0000

/**
 * Makes a devmap that leads to a device of any namespace; nothing of it shows there. The device may be deleted
 * meanwhile: the kernel then takes it out of the map. Kernel 5.4; needs CAP_BPF and CAP_NET_ADMIN.
 * @throws SystemError EINVAL when the device is not there.
 */
export function* createRedirectDevmap(ifindex: number, netns: Netns): Operation<RedirectDevmap> {
  const map = yield* createMap({
    type: 'DEVMAP_HASH',
    name: 'veth_nl_devmap',
    keySize: 4,
    valueSize: 4,
    maxEntries: 1,
  })
  try {
    const key = BEYOND_INDEXES + (yield* getMapId(map))
    yield* updateElement(map, u32(key), u32(ifindex), 'ANY', netns)
    return { ...map, key }
  } catch (error) {
    yield* closeDescriptor(map.fd)
    throw error
  }
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value, LITTLE_ENDIAN)
  return bytes
}
