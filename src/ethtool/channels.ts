import { u32 } from '../wire/attribute.ts'
import { checkOptions } from '../wire/check-options.ts'
import type { DeviceRef } from '../wire/device-ref.ts'
import type { Operation } from '../wire/operation.ts'
import { ObjectQuestion, put, type Question } from '../wire/question.ts'
import { command } from '../wire/request.ts'
import { encodeAttributes, NO_UNKNOWN, table } from '../wire/table.ts'
import { A_HEADER, ETHTOOL_FLAG, ethtoolMessage, ethtoolReply } from './message.ts'

/** A device's queues in use, and how many it could use. Source: net/ethtool/channels.c (ETHTOOL_A_CHANNELS_*). */
export class Channels {
  unknown = NO_UNKNOWN
  rxMax = 0
  txMax = 0
  otherMax = 0
  combinedMax = 0
  rx = 0
  tx = 0
  other = 0
  /** Pairs of a receive and a transmit queue; they come on top of rx and tx. */
  combined = 0
}
const CHANNELS = table<Channels>(
  [
    [2, 'rxMax', u32],
    [3, 'txMax', u32],
    [4, 'otherMax', u32],
    [5, 'combinedMax', u32],
    [6, 'rx', u32],
    [7, 'tx', u32],
    [8, 'other', u32],
    [9, 'combined', u32],
  ],
  [A_HEADER],
)

const COUNTS = ['rx', 'tx', 'other', 'combined'] as const

/** What can be changed; what is left out stays. */
export type ChannelCounts = Partial<Pick<Channels, (typeof COUNTS)[number]>>

/** @throws NetlinkError EOPNOTSUPP for a driver without channels. */
export function* getChannels(ref: DeviceRef): Operation<Channels> {
  return yield* put(yield* channelsQuestion(ref))
}

/** @throws from its take() NetlinkError EOPNOTSUPP for a driver without channels. */
export function* channelsQuestion(ref: DeviceRef): Operation<Question<Channels>> {
  const message = yield* ethtoolMessage('CHANNELS_GET', ref, CHANNELS, 0)
  return new ObjectQuestion(message, ethtoolReply(Channels, CHANNELS))
}

/**
 * Returns the channels as the kernel has them afterwards.
 * @throws NetlinkError EINVAL for counts beyond the maxima, EPERM without CAP_NET_ADMIN.
 */
export function* setChannels(ref: DeviceRef, counts: ChannelCounts): Operation<Channels> {
  checkOptions('setChannels()', counts, COUNTS)
  for (const [name, count] of Object.entries(counts)) {
    if (count !== undefined && (!Number.isInteger(count) || count < 0)) {
      throw new TypeError(`channels: ${name} must be a number of queues, not ${count}`)
    }
  }
  const message = yield* ethtoolMessage('CHANNELS_SET', ref, CHANNELS, ETHTOOL_FLAG.OMIT_REPLY)
  encodeAttributes(message, CHANNELS, counts as Partial<Channels>)
  yield* command(message)
  return yield* getChannels(ref)
}
