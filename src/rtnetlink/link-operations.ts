import { checkNewName, type DeviceRef, deviceLabel, isShortName, printable } from '../wire/device-ref.ts'
import { NetlinkError } from '../wire/errors.ts'
import { Message } from '../wire/message.ts'
import { NETLINK_ROUTE, NLM_F } from '../wire/netlink.ts'
import type { Netns } from '../wire/netns.ts'
import type { Operation } from '../wire/operation.ts'
import { ObjectQuestion, type Question, Repeated } from '../wire/question.ts'
import { command, dump, get, visitAll } from '../wire/request.ts'
import { decodeLink, decodeLinkState, LINK, type Link } from './link.ts'
import {
  type AddrGenMode,
  checkLinkChange,
  encodeLinkChange,
  LINK_CHANGE,
  type LinkChange,
  writeHeader,
} from './link-change.ts'
import { decodeLinkExcerpt, type LinkExcerpt } from './link-excerpt.ts'
import { fieldsDecoder, type LinkField } from './link-fields.ts'
import { IFINFOMSG_SIZE, IFLA, RTEXT_FILTER, RTM } from './numbers.ts'

/**
 * One link. A round trip of some microseconds, whatever the number of links.
 * @throws NetlinkError ENODEV when there is none of that name or index.
 */
export function getLink(ref: DeviceRef): Operation<Link> {
  return LINKS.put(ref, () => new ObjectQuestion(linkRequest(ref), decodeLink))
}
const LINKS = new Repeated<Link>()

/** The same without its counters, which are a quarter of the answer. */
export function* getLinkState(ref: DeviceRef): Operation<Link> {
  return yield* get(linkStateRequest(ref), decodeLink)
}

/** The same request for what decides about frames on their way. */
export function linkExcerptQuestion(ref: DeviceRef): Question<LinkExcerpt> {
  return new ObjectQuestion(linkStateRequest(ref), decodeLinkExcerpt)
}

/**
 * One link of another namespace, asked for by the id that `netns` knows that namespace by (Linux 4.20).
 * @throws NetlinkError EACCES without CAP_NET_ADMIN over the other namespace, EINVAL for an unassigned id.
 */
export function* getLinkThrough(netns: Netns, netnsId: number, index: number): Operation<Link> {
  const message = linkRequest({ netns, device: index })
  writeTarget(message, netnsId)
  return yield* get(message, decodeLink)
}

/** All links of a namespace, in the kernel's order: by index on 6.12, by its hash on 6.1. @throws InterruptedDumpError when they keep changing. */
export function* listLinks(netns: Netns): Operation<Link[]> {
  return yield* dump(linksRequest(netns, true), decodeLink)
}

/** The same without their counters. */
export function* listLinkStates(netns: Netns): Operation<Link[]> {
  return yield* dump(linksRequest(netns, false), decodeLink)
}

/**
 * The same handed out one by one, or of the namespace that `netns` knows by an id, from outside (Linux 4.20); ids in those
 * links then count in `netns`. @throws InterruptedDumpError at the end, when they changed meanwhile.
 */
export function* visitLinkStates(
  netns: Netns,
  netnsId: number | null,
  visit: (link: Link) => void,
): Operation<void> {
  const message = linksRequest(netns, false)
  writeTarget(message, netnsId)
  yield* visitAll(message, decodeLinkState, visit)
}

/** One of them. */
export function linkStateQuestion(netns: Netns, netnsId: number | null, index: number): Question<Link> {
  const message = linkStateRequest({ netns, device: index })
  writeTarget(message, netnsId)
  return new ObjectQuestion(message, decodeLinkState)
}

/** Some fields of each. The kernel leaves out of the answer what it can where nobody asks for counters. */
export function* listLinkFields<F extends LinkField>(
  netns: Netns,
  fields: readonly F[],
): Operation<Pick<Link, F>[]> {
  return yield* dump(linksRequest(netns, asksStats(fields)), fieldsDecoder(fields))
}

/** Hands them out one by one, and keeps none. @throws InterruptedDumpError at the end, when they changed meanwhile. */
export function* visitLinks(netns: Netns, visit: (link: Link) => void): Operation<void> {
  yield* visitAll(linksRequest(netns, true), decodeLink, visit)
}

export function* visitLinkFields<F extends LinkField>(
  netns: Netns,
  fields: readonly F[],
  visit: (link: Pick<Link, F>) => void,
): Operation<void> {
  yield* visitAll(linksRequest(netns, asksStats(fields)), fieldsDecoder(fields), visit)
}

function asksStats(fields: readonly LinkField[]): boolean {
  return fields.includes('stats')
}

/** @throws NetlinkError EEXIST when a name is taken. */
export function* newLink(netns: Netns, change: Partial<LinkChange>): Operation<void> {
  checkLinkChange(change)
  const flags = NLM_F.ACK | NLM_F.CREATE | NLM_F.EXCL
  const peer = change.linkinfo?.data?.peer?.name
  const detail = peer == null ? '' : `with its peer ${printable(peer)}`
  const message = linkMessage(netns, change.name ?? '', 'NEWLINK', flags, true, detail)
  encodeLinkChange(message, change)
  yield* command(message)
}

/** Changes what is given and leaves the rest. */
export function* setLink(ref: DeviceRef, change: Partial<LinkChange>): Operation<void> {
  checkLinkChange(change)
  // A new name can be given only to a link that is meant by its index.
  const index = typeof ref.device === 'number' ? ref.device : (yield* getLink(ref)).index
  const detail = change.name == null ? '' : `to be named ${printable(change.name)}`
  const message = linkMessage(ref.netns, deviceLabel(ref), 'SETLINK', NLM_F.ACK, true, detail)
  encodeLinkChange(message, { ...change, index })
  yield* command(message)
}

/** mtu: bytes, without the link-layer header. */
export function* setMtu(ref: DeviceRef, mtu: number): Operation<void> {
  // Nothing is what setLink() leaves alone.
  yield* setLink(ref, { mtu: mtu ?? Number.NaN })
}

/** @throws NetlinkError EEXIST when the name is taken; before Linux 6.2 EBUSY while the link is up. */
export function* renameLink(ref: DeviceRef, name: string): Operation<void> {
  yield* setLink(ref, { name: checkNewName(name) })
}

/** Moves a link to another namespace, where it keeps its name, and says where it is then. */
export function* moveLink(ref: DeviceRef, to: Netns): Operation<DeviceRef> {
  const { index, name } = yield* getLink(ref)
  yield* setLink({ netns: ref.netns, device: index, name }, { netns: to })
  return { netns: to, device: name }
}

/**
 * How IPv6 gives the link an address when it next comes up; 'none' keeps the kernel from sending anything of its
 * own there. Without IPv6 in the kernel there is nothing to be done.
 */
export function* setAddrGenMode(ref: DeviceRef, addrGenMode: AddrGenMode): Operation<void> {
  try {
    yield* setLink(ref, { afSpec: { inet6: { addrGenMode } } })
  } catch (error) {
    if (!(error instanceof NetlinkError && error.code === 'EAFNOSUPPORT')) throw error
  }
}

/** Deletes a link; a veth takes its peer along. */
export function* deleteLink(ref: DeviceRef): Operation<void> {
  const { index } = yield* getLink(ref)
  const message = linkMessage(ref.netns, deviceLabel(ref), 'DELLINK', NLM_F.ACK, true)
  writeHeader(message, { index })
  yield* command(message)
}

function linkRequest(ref: DeviceRef): Message {
  const { netns, device } = ref
  const message = linkMessage(netns, deviceLabel(ref), 'GETLINK', 0, false)
  writeHeader(message, typeof device === 'number' ? { index: device } : {})
  if (typeof device === 'string') {
    const attribute = isShortName(device) ? IFLA.IFNAME : IFLA.ALT_IFNAME
    message.attribute(attribute, () => message.text(device))
  }
  return message
}

function linksRequest(netns: Netns, withStats: boolean): Message {
  const message = linkMessage(netns, '', 'GETLINK', NLM_F.DUMP, false)
  writeHeader(message, {})
  if (!withStats) message.attribute(IFLA.EXT_MASK, () => message.u32(RTEXT_FILTER.SKIP_STATS))
  return message
}

function linkStateRequest(ref: DeviceRef): Message {
  const message = linkRequest(ref)
  message.attribute(IFLA.EXT_MASK, () => message.u32(RTEXT_FILTER.SKIP_STATS))
  return message
}

/** The namespace that is meant, by its id in the one that is asked. */
function writeTarget(message: Message, netnsId: number | null): void {
  if (netnsId !== null) message.attribute(IFLA.TARGET_NETNSID, () => message.s32(netnsId))
}

function linkMessage(
  netns: Netns,
  device: string,
  type: 'NEWLINK' | 'DELLINK' | 'GETLINK' | 'SETLINK',
  flags: number,
  writes: boolean,
  detail = '',
): Message {
  const subject = { message: `RTM_${type}`, netns, device, writes, detail }
  const names = writes ? LINK_CHANGE : LINK
  return new Message(subject, NETLINK_ROUTE, RTM[type], flags, { header: IFINFOMSG_SIZE, table: names })
}
