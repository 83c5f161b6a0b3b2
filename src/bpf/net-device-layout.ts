import type { Operation } from '../wire/operation.ts'
import { check64Bit, kernelLayout, offsetIn } from './kernel-layout.ts'

/** Where a device has its index, its name and its namespace; and a map its type and id. In bytes. */
export interface NetDeviceLayout {
  readonly net_device: { readonly ifindex: number; readonly name: number; readonly net: number }
  /** The inode number that the namespace's file has on nsfs. */
  readonly net: { readonly inum: number }
  readonly bpf_map: { readonly map_type: number; readonly id: number }
}

/** IFNAMSIZ. Source: include/uapi/linux/if.h. */
export const IFNAMSIZ = 16

/**
 * Source: include/linux/netdevice.h, include/net/net_namespace.h, include/linux/ns_common.h, include/linux/bpf.h.
 * @throws as kernelLayout() does.
 */
export function netDeviceLayout(): Operation<NetDeviceLayout> {
  return kernelLayout('a device', null, types => {
    check64Bit(types)
    return {
      net_device: {
        ifindex: offsetIn(types, 'net_device', 'ifindex', 4),
        name: types.memberOffset('net_device', 'name'),
        net: offsetIn(types, 'net_device', 'nd_net.net'),
      },
      net: { inum: offsetIn(types, 'net', 'ns.inum', 4) },
      bpf_map: {
        map_type: offsetIn(types, 'bpf_map', 'map_type', 4),
        id: offsetIn(types, 'bpf_map', 'id', 4),
      },
    }
  })
}
