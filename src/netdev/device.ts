import { type Kind, u32 } from '../wire/attribute.ts'
import type { IndexRef } from '../wire/device-ref.ts'
import { LITTLE_ENDIAN } from '../wire/netlink.ts'
import type { Netns } from '../wire/netns.ts'
import type { Operation } from '../wire/operation.ts'
import { ObjectQuestion, put, type Question } from '../wire/question.ts'
import { dump } from '../wire/request.ts'
import { excerpt, NO_UNKNOWN, table } from '../wire/table.ts'
import { netdevDump, netdevMessage, netdevReply } from './message.ts'

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

/** Bits as a list of their names. */
function bits<Name extends string>(names: readonly Name[]): Kind<(Name | `bit-${number}`)[]> {
  return {
    least: 8,
    read(view, at) {
      const named: (Name | `bit-${number}`)[] = []
      const [low, high] = LITTLE_ENDIAN ? [at, at + 4] : [at + 4, at]
      addNamed(named, names, view.getUint32(low, LITTLE_ENDIAN), 0)
      addNamed(named, names, view.getUint32(high, LITTLE_ENDIAN), 32)
      return named
    },
    write: () => {}, // the kernel is never told
  }
}

function addNamed<Name extends string>(
  named: (Name | `bit-${number}`)[],
  names: readonly Name[],
  word: number,
  first: number,
): void {
  for (let left = word; left !== 0; left &= left - 1) {
    const bit = first + 31 - Math.clz32(left & -left)
    named.push(names[bit] ?? `bit-${bit}`)
  }
}

const xdpFeatures = bits(XDP_ACT)

/** What a message of the netdev family says of a device. Source: NETDEV_A_DEV_*, include/uapi/linux/netdev.h. */
export class NetdevDevice {
  unknown = NO_UNKNOWN
  index = 0
  xdpFeatures: XdpFeature[] = []
  /** The most buffers of a frame in AF_XDP's zero-copy mode, 0 where there is no such. */
  zeroCopyMaxSegments = 0
  /** What an XDP program can learn of a received frame: 'timestamp', 'hash', 'vlan-tag'. */
  rxMetadata: ((typeof XDP_RX_METADATA)[number] | `bit-${number}`)[] = []
  /** What AF_XDP can ask of the driver for sent frames: 'tx-timestamp', 'tx-checksum', 'tx-launch-time-fifo'. */
  xskFeatures: ((typeof XSK_FLAGS)[number] | `bit-${number}`)[] = []
}
const XDP_RX_METADATA = ['timestamp', 'hash', 'vlan-tag'] as const
const XSK_FLAGS = ['tx-timestamp', 'tx-checksum', 'tx-launch-time-fifo'] as const

const A_IFINDEX = 1
const A_PAD = 2
const A_XDP_FEATURES = 3
const NETDEV_DEVICE = table<NetdevDevice>(
  [
    [A_IFINDEX, 'index', u32],
    [A_XDP_FEATURES, 'xdpFeatures', xdpFeatures],
    [4, 'zeroCopyMaxSegments', u32],
    [5, 'rxMetadata', bits(XDP_RX_METADATA)],
    [6, 'xskFeatures', bits(XSK_FLAGS)],
  ],
  [A_PAD],
)

/** Reads a message about a device: an answer or a notification. */
export const decodeNetdevDevice = netdevReply(NetdevDevice, NETDEV_DEVICE)

/** All devices of a namespace. @throws UnsupportedError before Linux 6.3. */
export function* listNetdevDevices(netns: Netns): Operation<NetdevDevice[]> {
  return yield* dump(yield* netdevDump('DEV_GET', netns, NETDEV_DEVICE), decodeNetdevDevice)
}

class OnlyXdpFeatures {
  xdpFeatures: XdpFeature[] = []
}
const ONLY_XDP_FEATURES = excerpt<OnlyXdpFeatures>([[A_XDP_FEATURES, 'xdpFeatures', xdpFeatures]])

/** @throws UnsupportedError before Linux 6.3; NetlinkError ENODEV. */
export function* getXdpFeatures(ref: IndexRef): Operation<XdpFeature[]> {
  return yield* put(yield* xdpFeaturesQuestion(ref))
}

/** @throws UnsupportedError before Linux 6.3. */
export function* xdpFeaturesQuestion(ref: IndexRef): Operation<Question<XdpFeature[]>> {
  const message = yield* netdevMessage('DEV_GET', ref, NETDEV_DEVICE, 0)
  message.attribute(A_IFINDEX, () => message.u32(ref.device))
  const decode = netdevReply(OnlyXdpFeatures, ONLY_XDP_FEATURES)
  return new ObjectQuestion(message, (view, at, end, type) => decode(view, at, end, type).xdpFeatures)
}
