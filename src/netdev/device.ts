import { u32, u64 } from '../wire/attribute.ts'
import type { IndexRef } from '../wire/device-ref.ts'
import type { Operation } from '../wire/operation.ts'
import { get } from '../wire/request.ts'
import { Attributes, encodeAttributes, table } from '../wire/table.ts'
import { netdevMessage, netdevReply } from './message.ts'

/** Source: enum netdev_xdp_act, include/uapi/linux/netdev.h. */
const XDP_ACT = [
  'basic',
  'redirect',
  'ndo-xmit',
  'xsk-zerocopy',
  'hw-offload',
  'rx-sg',
  'ndo-xmit-sg',
] as const

/**
 * What a driver says it can do for XDP: 'ndo-xmit' is to take redirected frames, 'ndo-xmit-sg' such of several
 * buffers. 'bit-N' is one that this library has no name for.
 */
export type XdpFeature = (typeof XDP_ACT)[number] | `bit-${number}`

class NetdevDevice extends Attributes {
  index = 0
  /** NETDEV_A_DEV_XDP_FEATURES. */
  xdpFeatures = 0n
}
const NETDEV_DEVICE = table<NetdevDevice>([
  [1, 'index', u32],
  [3, 'xdpFeatures', u64],
])

/** @throws UnsupportedError before Linux 6.3; NetlinkError ENODEV. */
export function* getXdpFeatures(ref: IndexRef): Operation<XdpFeature[]> {
  const message = yield* netdevMessage('DEV_GET', ref, NETDEV_DEVICE, 0)
  encodeAttributes(message, NETDEV_DEVICE, { index: ref.device })
  const { xdpFeatures } = yield* get(message, netdevReply(NetdevDevice, NETDEV_DEVICE))
  return named(xdpFeatures)
}

function named(bits: bigint): XdpFeature[] {
  const features: XdpFeature[] = []
  for (let bit = 0; bits >> BigInt(bit) !== 0n; bit++) {
    if ((bits >> BigInt(bit)) & 1n) features.push(XDP_ACT[bit] ?? `bit-${bit}`)
  }
  return features
}
