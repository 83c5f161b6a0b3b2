import { s32 } from '../wire/attribute.ts'
import { Message } from '../wire/message.ts'
import { NETLINK_ROUTE, NLM_F } from '../wire/netlink.ts'
import { type Netns, netnsPid } from '../wire/netns.ts'
import type { Operation } from '../wire/operation.ts'
import { ObjectQuestion, put, type Question } from '../wire/question.ts'
import { command, dump, get } from '../wire/request.ts'
import { decodeAttributes, NO_UNKNOWN, table } from '../wire/table.ts'
import { RTM } from './numbers.ts'

/** Source: include/uapi/linux/net_namespace.h. */
export const NETNSA = { NSID: 1, PID: 2, FD: 3, TARGET_NSID: 4 } as const
const NOT_ASSIGNED = -1

/** struct rtgenmsg, padded. */
const RTGENMSG_SIZE = 4

/** The id by which one namespace knows another: ids count per namespace, and only pairs in use have one. */
class NetnsId {
  unknown = NO_UNKNOWN
  nsid = NOT_ASSIGNED
}
const NETNS_ID = table<NetnsId>([[NETNSA.NSID, 'nsid', s32]])

/** Reads view[at, end): a struct rtgenmsg and its attributes. null: it has none. */
export function decodeNetnsId(view: DataView, at: number, end: number): number | null {
  const { nsid } = decodeAttributes(view, at + RTGENMSG_SIZE, end, NETNS_ID, new NetnsId())
  return nsid === NOT_ASSIGNED ? null : nsid
}

/**
 * The id by which `netns` knows the namespace `of`, or null when it has none for it.
 * A namespace reached through a process is asked for by the process's id, which needs no privilege.
 * @throws NetlinkError ESRCH when the process is gone; SystemError when the namespace's file cannot be opened.
 */
export function getNetnsId(netns: Netns, of: Netns): Operation<number | null> {
  return put(netnsIdQuestion(netns, of))
}

export function netnsIdQuestion(netns: Netns, of: Netns): Question<number | null> {
  const message = netnsIdMessage('GETNSID', netns, 0, false)
  writeNetns(message, of)
  return new ObjectQuestion(message, decodeNetnsId)
}

/**
 * The id by which the namespace that `netns` knows as `target` knows the one that `netns` knows as `id`; null when it has
 * none for it (Linux 5.0). @throws NetlinkError EACCES without CAP_NET_ADMIN over the target.
 */
export function* getNetnsIdThrough(netns: Netns, target: number, id: number): Operation<number | null> {
  const message = netnsIdMessage('GETNSID', netns, 0, false)
  message.attribute(NETNSA.NSID, () => message.s32(id))
  message.attribute(NETNSA.TARGET_NSID, () => message.s32(target))
  return yield* get(message, decodeNetnsId)
}

/** The ids of all namespaces that a namespace has one for. */
export function* listNetnsIds(netns: Netns): Operation<number[]> {
  const ids = yield* dump(netnsIdMessage('GETNSID', netns, NLM_F.DUMP, false), decodeNetnsId)
  return ids.filter(id => id !== null)
}

/** Gives a namespace an id in `netns`, whichever is free. @throws NetlinkError EEXIST when it has one. */
export function* assignNetnsId(netns: Netns, to: Netns): Operation<void> {
  const message = netnsIdMessage('NEWNSID', netns, NLM_F.ACK, true)
  message.attribute(NETNSA.NSID, () => message.s32(NOT_ASSIGNED))
  writeNetns(message, to)
  yield* command(message)
}

function writeNetns(message: Message, netns: Netns): void {
  const pid = netnsPid(netns)
  if (pid !== null) message.attribute(NETNSA.PID, () => message.u32(pid))
  else message.attribute(NETNSA.FD, () => message.descriptor(netns))
}

function netnsIdMessage(type: 'GETNSID' | 'NEWNSID', netns: Netns, flags: number, writes: boolean): Message {
  const subject = { message: `RTM_${type}`, netns, device: '', writes }
  const layout = { header: RTGENMSG_SIZE, table: NETNS_ID }
  const message = new Message(subject, NETLINK_ROUTE, RTM[type], flags, layout)
  message.zeros(RTGENMSG_SIZE)
  return message
}
