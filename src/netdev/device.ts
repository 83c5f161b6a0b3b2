import { type Kind, u32 } from '../wire/attribute.ts'
import type { IndexRef } from '../wire/device-ref.ts'
import { LITTLE_ENDIAN } from '../wire/netlink.ts'
import type { Operation } from '../wire/operation.ts'
import { ObjectQuestion, put, type Question } from '../wire/question.ts'
import { excerpt } from '../wire/table.ts'
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

/** The bits as a list of their names. */
const xdpFeatures: Kind<XdpFeature[]> = {
  least: 8,
  read(view, at) {
    const features: XdpFeature[] = []
    const [low, high] = LITTLE_ENDIAN ? [at, at + 4] : [at + 4, at]
    addNamed(features, view.getUint32(low, LITTLE_ENDIAN), 0)
    addNamed(features, view.getUint32(high, LITTLE_ENDIAN), 32)
    return features
  },
  write: () => {}, // the kernel is never told
}

function addNamed(features: XdpFeature[], word: number, first: number): void {
  for (let left = word; left !== 0; left &= left - 1) {
    const bit = first + 31 - Math.clz32(left & -left)
    features.push(XDP_ACT[bit] ?? `bit-${bit}`)
  }
}

class NetdevDevice {
  index = 0
  /** NETDEV_A_DEV_XDP_FEATURES. */
  xdpFeatures: XdpFeature[] = []
}
const A_IFINDEX = 1
const NETDEV_DEVICE = excerpt<NetdevDevice>([
  [A_IFINDEX, 'index', u32],
  [3, 'xdpFeatures', xdpFeatures],
])

/** @throws UnsupportedError before Linux 6.3; NetlinkError ENODEV. */
export function* getXdpFeatures(ref: IndexRef): Operation<XdpFeature[]> {
  return yield* put(yield* xdpFeaturesQuestion(ref))
}

/** @throws UnsupportedError before Linux 6.3. */
export function* xdpFeaturesQuestion(ref: IndexRef): Operation<Question<XdpFeature[]>> {
  const message = yield* netdevMessage('DEV_GET', ref, NETDEV_DEVICE, 0)
  message.attribute(A_IFINDEX, () => message.u32(ref.device))
  const decode = netdevReply(NetdevDevice, NETDEV_DEVICE)
  return new ObjectQuestion(message, (view, at, end, type) => decode(view, at, end, type).xdpFeatures)
}
