import { nested } from '../wire/attribute.ts'
import type { IndexRef } from '../wire/device-ref.ts'
import type { Netns } from '../wire/netns.ts'
import type { Operation } from '../wire/operation.ts'
import { dump, get } from '../wire/request.ts'
import { excerpt, NO_UNKNOWN, table } from '../wire/table.ts'
import { BITSET, Bitset } from './bitset.ts'
import { A_FEATURES, FeatureBits } from './features.ts'
import {
  A_HEADER,
  ETHTOOL_FLAG,
  ethtoolDump,
  ethtoolMessage,
  ethtoolReply,
  HEADER,
  Header,
} from './message.ts'
import { ETH_SS, getStringSet } from './string-set.ts'

/** A device with the bits of its features. */
export interface DeviceBits {
  readonly index: number
  readonly name: string
  readonly bits: FeatureBits
}

/** ETHTOOL_MSG_FEATURES_GET_REPLY with its header, which says which device it is about. */
class DeviceReply {
  unknown = NO_UNKNOWN
  header = new Header()
  hw = new Bitset()
  wanted = new Bitset()
  active = new Bitset()
  noChange = new Bitset()
}
const DEVICE_REPLY = table<DeviceReply>([
  [A_HEADER, 'header', nested(Header, HEADER)],
  [A_FEATURES.HW, 'hw', nested(Bitset, BITSET)],
  [A_FEATURES.WANTED, 'wanted', nested(Bitset, BITSET)],
  [A_FEATURES.ACTIVE, 'active', nested(Bitset, BITSET)],
  [A_FEATURES.NOCHANGE, 'noChange', nested(Bitset, BITSET)],
])
const decode = ethtoolReply(DeviceReply, DEVICE_REPLY)

/** The features of all devices of a namespace. */
export function* listDeviceBits(netns: Netns): Operation<DeviceBits[]> {
  const names = yield* getStringSet(ETH_SS.FEATURES)
  const message = yield* ethtoolDump('FEATURES_GET', netns, DEVICE_REPLY, ETHTOOL_FLAG.COMPACT_BITSETS)
  const replies = yield* dump(message, decode)
  return replies.map(reply => deviceBits(names, reply))
}

/** @throws NetlinkError ENODEV. */
export function* getDeviceBits(ref: IndexRef): Operation<DeviceBits> {
  const names = yield* getStringSet(ETH_SS.FEATURES)
  const message = yield* ethtoolMessage('FEATURES_GET', ref, DEVICE_REPLY, ETHTOOL_FLAG.COMPACT_BITSETS)
  return deviceBits(names, yield* get(message, decode))
}

function deviceBits(names: readonly string[], reply: DeviceReply): DeviceBits {
  const { index, name } = reply.header
  return { index: index ?? 0, name: name ?? '', bits: new FeatureBits(names, reply) }
}

/** The names of the features that are otherwise than before. */
export function changedFeatures(before: FeatureBits, after: FeatureBits): string[] {
  return after.names.filter(
    (_, bit) =>
      before.active(bit) !== after.active(bit) ||
      before.wanted(bit) !== after.wanted(bit) ||
      before.fixed(bit) !== after.fixed(bit),
  )
}

/** Which device a notification is about: the index in the header of the message with the payload view[at, end). */
export function notifiedDevice(view: DataView, at: number, end: number, type: number): number | null {
  return decodeHeader(view, at, end, type).header.index
}

class AnyNotification {
  header = new Header()
}
const decodeHeader = ethtoolReply(
  AnyNotification,
  excerpt<AnyNotification>([[A_HEADER, 'header', nested(Header, HEADER)]]),
)
