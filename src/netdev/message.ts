import { GENL_HDRLEN } from '../genetlink/controller.ts'
import { genericMessage } from '../genetlink/message.ts'
import type { AttributeIndex } from '../wire/decoder.ts'
import { deviceLabel, type IndexRef } from '../wire/device-ref.ts'
import type { Message } from '../wire/message.ts'
import { NLM_F } from '../wire/netlink.ts'
import type { Netns } from '../wire/netns.ts'
import type { Operation } from '../wire/operation.ts'
import type { Decode } from '../wire/request.ts'
import { decodeAttributes, type Table } from '../wire/table.ts'

/** The netdev family. Source: Documentation/netlink/specs/netdev.yaml. */
export const NETDEV = { name: 'netdev', version: 1, since: '6.3' } as const

/** NETDEV_CMD_*. */
export const NETDEV_CMD = { DEV_GET: 1, PAGE_POOL_GET: 5, NAPI_GET: 11 } as const

/** NETDEV_CMD_*, those that the kernel sends unasked. */
export const NETDEV_NTF = {
  DEV_ADD_NTF: 2,
  DEV_DEL_NTF: 3,
  DEV_CHANGE_NTF: 4,
  PAGE_POOL_ADD_NTF: 6,
  PAGE_POOL_DEL_NTF: 7,
  PAGE_POOL_CHANGE_NTF: 8,
} as const
export const NETDEV_MCGRP = { MGMT: 'mgmt', PAGE_POOL: 'page-pool' } as const

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

/** A request about all of a namespace. */
export function* netdevDump(
  command: keyof typeof NETDEV_CMD,
  netns: Netns,
  attributes: AttributeIndex,
): Operation<Message> {
  const subject = { message: `NETDEV_CMD_${command}`, netns, device: '', writes: false }
  return yield* genericMessage(NETDEV, NETDEV_CMD[command], subject, attributes, NLM_F.DUMP)
}

export function netdevReply<T extends object>(make: new () => T, attributes: Table<T>): Decode<T> {
  return (view, at, end) => decodeAttributes(view, at + GENL_HDRLEN, end, attributes, new make())
}
