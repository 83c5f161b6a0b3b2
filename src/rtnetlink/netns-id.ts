import { s32 } from '../wire/attribute.ts'
import { Message } from '../wire/message.ts'
import { NETLINK_ROUTE } from '../wire/netlink.ts'
import { type Netns, netnsPid } from '../wire/netns.ts'
import type { Operation } from '../wire/operation.ts'
import { ObjectQuestion, put, type Question } from '../wire/question.ts'
import { decodeAttributes, NO_UNKNOWN, table } from '../wire/table.ts'
import { RTM } from './numbers.ts'

/** Source: include/uapi/linux/net_namespace.h. */
const NETNSA = { NSID: 1, PID: 2, FD: 3 } as const
const NOT_ASSIGNED = -1

/** struct rtgenmsg, padded. */
const RTGENMSG_SIZE = 4

/** The id by which one namespace knows another: ids count per namespace, and only pairs in use have one. */
class NetnsId {
  unknown = NO_UNKNOWN
  nsid = NOT_ASSIGNED
}
const NETNS_ID = table<NetnsId>([[NETNSA.NSID, 'nsid', s32]])

/**
 * The id by which `netns` knows the namespace `of`, or null when it has none for it.
 * A namespace reached through a process is asked for by the process's id, which needs no privilege.
 * @throws NetlinkError ESRCH when the process is gone; SystemError when the namespace's file cannot be opened.
 */
export function getNetnsId(netns: Netns, of: Netns): Operation<number | null> {
  return put(netnsIdQuestion(netns, of))
}

export function netnsIdQuestion(netns: Netns, of: Netns): Question<number | null> {
  const subject = { message: 'RTM_GETNSID', netns, device: '', writes: false }
  const layout = { header: RTGENMSG_SIZE, table: NETNS_ID }
  const message = new Message(subject, NETLINK_ROUTE, RTM.GETNSID, 0, layout)
  message.zeros(RTGENMSG_SIZE)
  const pid = netnsPid(of)
  if (pid !== null) message.attribute(NETNSA.PID, () => message.u32(pid))
  else message.attribute(NETNSA.FD, () => message.descriptor(of))
  return new ObjectQuestion(message, (view, at, end) => {
    const { nsid } = decodeAttributes(view, at + RTGENMSG_SIZE, end, NETNS_ID, new NetnsId())
    return nsid === NOT_ASSIGNED ? null : nsid
  })
}
