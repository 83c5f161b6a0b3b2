import { GENL_HDRLEN } from '../genetlink/controller.ts'
import { genericMessage } from '../genetlink/message.ts'
import { deviceLabel, type IndexRef } from '../wire/device-ref.ts'
import type { Message } from '../wire/message.ts'
import type { Operation } from '../wire/operation.ts'
import type { Decode } from '../wire/request.ts'
import { type AttributeIndex, decodeAttributes, type Table } from '../wire/table.ts'

/** The netdev family. Source: Documentation/netlink/specs/netdev.yaml. */
const NETDEV = { name: 'netdev', version: 1, since: '6.3' } as const

/** NETDEV_CMD_*. */
export const NETDEV_CMD = { DEV_GET: 1, NAPI_GET: 11 } as const

export function* netdevMessage(
  command: keyof typeof NETDEV_CMD,
  ref: IndexRef,
  attributes: AttributeIndex,
  flags: number,
): Operation<Message> {
  const subject = {
    message: `NETDEV_CMD_${command}`,
    netns: ref.netns,
    device: deviceLabel(ref),
    writes: false,
  }
  return yield* genericMessage(NETDEV, NETDEV_CMD[command], subject, attributes, flags)
}

export function netdevReply<T extends object>(make: new () => T, attributes: Table<T>): Decode<T> {
  return (view, at, end) => decodeAttributes(view, at + GENL_HDRLEN, end, attributes, new make())
}
