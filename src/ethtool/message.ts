import { GENL_HDRLEN } from '../genetlink/controller.ts'
import { genericMessage } from '../genetlink/message.ts'
import { string, u32 } from '../wire/attribute.ts'
import type { AttributeIndex } from '../wire/decoder.ts'
import { type DeviceRef, deviceLabel, isShortName } from '../wire/device-ref.ts'
import type { Message } from '../wire/message.ts'
import { NLM_F } from '../wire/netlink.ts'
import { type Netns, OWN_NETNS } from '../wire/netns.ts'
import type { Operation } from '../wire/operation.ts'
import type { Decode } from '../wire/request.ts'
import { decodeAttributes, encodeAttributes, type Table, table } from '../wire/table.ts'

/** The ethtool family. Source: include/uapi/linux/ethtool_netlink.h, net/ethtool/netlink.c. */
export const ETHTOOL = { name: 'ethtool', version: 1, since: '5.6' } as const

/** ETHTOOL_MSG_*, those that user space sends. */
export const ETHTOOL_MSG = {
  STRSET_GET: 1,
  FEATURES_GET: 11,
  FEATURES_SET: 12,
  CHANNELS_GET: 17,
  CHANNELS_SET: 18,
} as const

/** ETHTOOL_MSG_*, those that the kernel sends unasked to its multicast group `monitor`. */
export const ETHTOOL_NTF = { FEATURES_NTF: 13, CHANNELS_NTF: 19 } as const
export const MONITOR = 'monitor'

export const ETHTOOL_FLAG = { COMPACT_BITSETS: 1 << 0, OMIT_REPLY: 1 << 1 } as const

/** ETHTOOL_A_*_HEADER, the first attribute of every message: which device is meant. */
export const A_HEADER = 1
export class Header {
  index: number | null = null
  name: string | null = null
  flags: number | null = null
}
export const HEADER = table<Header>([
  [1, 'index', u32],
  [2, 'name', string],
  [3, 'flags', u32],
])

/** A request about a device (or about none), its header written. */
export function* ethtoolMessage(
  command: keyof typeof ETHTOOL_MSG,
  ref: DeviceRef | null,
  attributes: AttributeIndex,
  flags: number,
): Operation<Message> {
  const subject = {
    message: `ETHTOOL_MSG_${command}`,
    netns: ref?.netns ?? OWN_NETNS,
    device: ref === null ? '' : deviceLabel(ref),
    writes: command.endsWith('_SET'),
  }
  const message = yield* genericMessage(ETHTOOL, ETHTOOL_MSG[command], subject, attributes)
  const device =
    ref === null ? {} : typeof ref.device === 'number' ? { index: ref.device } : { name: ref.device }
  message.nest(A_HEADER, () => encodeAttributes(message, HEADER, { ...device, flags }))
  return message
}

/** The same request about all devices of a namespace. */
export function* ethtoolDump(
  command: keyof typeof ETHTOOL_MSG,
  netns: Netns,
  attributes: AttributeIndex,
  flags: number,
): Operation<Message> {
  const subject = { message: `ETHTOOL_MSG_${command}`, netns, device: '', writes: false }
  const message = yield* genericMessage(ETHTOOL, ETHTOOL_MSG[command], subject, attributes, NLM_F.DUMP)
  message.nest(A_HEADER, () => encodeAttributes(message, HEADER, { flags }))
  return message
}

/** ETHTOOL_A_HEADER_DEV_NAME takes no longer name; who has one asks rtnetlink for the index. */
export function fitsHeader({ device }: DeviceRef): boolean {
  return typeof device === 'number' || isShortName(device)
}

/** Reads a reply's attributes into a new object. */
export function ethtoolReply<T extends object>(make: new () => T, attributes: Table<T>): Decode<T> {
  return (view, at, end) => decodeAttributes(view, at + GENL_HDRLEN, end, attributes, new make())
}
