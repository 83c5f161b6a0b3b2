import { type Kind, linkAddress, nested, string, u8, u32 } from '../wire/attribute.ts'
import { quote } from '../wire/check-options.ts'
import { checkNewName } from '../wire/device-ref.ts'
import type { Netns } from '../wire/netns.ts'
import { encodeAttributes, table } from '../wire/table.ts'
import type { Writer } from '../wire/writer.ts'
import { IFF, IFINFOMSG_SIZE, IFLA, IFLA_INFO } from './numbers.ts'
import { XDP_CHANGE, XdpChange } from './xdp-state.ts'

/** Attributes of a veth inside IFLA_INFO_DATA. Source: include/uapi/linux/veth.h. */
const VETH_INFO = { PEER: 1 } as const

/** Attributes inside IFLA_AF_SPEC, by address family; inside AF_INET6 those of include/uapi/linux/if_link.h. */
const AF_INET6 = 10
const IFLA_INET6 = { ADDR_GEN_MODE: 8 } as const

/** enum in6_addr_gen_mode: how IPv6 makes a link-local address when the link comes up. */
const ADDR_GEN_MODES = ['eui64', 'none', 'stable-privacy', 'random'] as const
export type AddrGenMode = (typeof ADDR_GEN_MODES)[number]

/** What a link can be made with or changed to; fields left out stay as they are. */
export class LinkChange {
  /** 0 where the name tells which link is meant, or for a new link: whichever is free. */
  index = 0
  up: boolean | null = null
  name: string | null = null
  address: string | null = null
  /** Bytes, without the link-layer header. */
  mtu: number | null = null
  numTxQueues: number | null = null
  numRxQueues: number | null = null
  /** Where it goes. */
  netns: Netns | null = null
  linkinfo: LinkInfoChange | null = null
  afSpec: AfSpecChange | null = null
  xdp: XdpChange | null = null
}

/** IFLA_AF_SPEC. */
export class AfSpecChange {
  inet6: Inet6Change | null = null
}

export class Inet6Change {
  addrGenMode: AddrGenMode | null = null
}

export class LinkInfoChange {
  kind = ''
  data: VethData | null = null
}

/** IFLA_INFO_DATA of a new veth. */
export class VethData {
  peer: Partial<LinkChange> | null = null
}

const netnsDescriptor: Kind<Netns | null> = {
  least: 4,
  read: () => null, // the kernel never sends one
  write: (writer, netns) => {
    if (netns !== null) writer.descriptor(netns)
  },
}

const addrGenMode: Kind<AddrGenMode | null> = {
  least: u8.least,
  read: (view, at) => ADDR_GEN_MODES[view.getUint8(at)] ?? null,
  write: (writer, mode) => {
    if (mode !== null) writer.u8(ADDR_GEN_MODES.indexOf(mode))
  },
}

const INET6_CHANGE = table<Inet6Change>([[IFLA_INET6.ADDR_GEN_MODE, 'addrGenMode', addrGenMode]])
const AF_SPEC_CHANGE = table<AfSpecChange>([[AF_INET6, 'inet6', nested(Inet6Change, INET6_CHANGE)]])

/** What either end of a veth pair is made with. */
const END = table<LinkChange>([
  [IFLA.IFNAME, 'name', string],
  [IFLA.ADDRESS, 'address', linkAddress],
  [IFLA.MTU, 'mtu', u32],
  [IFLA.NUM_TX_QUEUES, 'numTxQueues', u32],
  [IFLA.NUM_RX_QUEUES, 'numRxQueues', u32],
  [IFLA.NET_NS_FD, 'netns', netnsDescriptor],
])

/** VETH_INFO_PEER is a whole link message: struct ifinfomsg, then attributes. */
const peer: Kind<Partial<LinkChange> | null> = {
  least: IFINFOMSG_SIZE,
  inner: END,
  innerAt: IFINFOMSG_SIZE,
  read: () => null, // the kernel never sends one
  write: (writer, change) => {
    writeHeader(writer, change ?? {})
    encodeAttributes(writer, END, change ?? {})
  },
}

const VETH_DATA = table<VethData>([[VETH_INFO.PEER, 'peer', peer]])

const LINK_INFO_CHANGE = table<LinkInfoChange>([
  [IFLA_INFO.KIND, 'kind', string],
  [IFLA_INFO.DATA, 'data', nested(VethData, VETH_DATA)],
])

export const LINK_CHANGE = table<LinkChange>([
  ...END.rows,
  [IFLA.LINKINFO, 'linkinfo', nested(LinkInfoChange, LINK_INFO_CHANGE)],
  [IFLA.AF_SPEC, 'afSpec', nested(AfSpecChange, AF_SPEC_CHANGE)],
  [IFLA.XDP, 'xdp', nested(XdpChange, XDP_CHANGE)],
])

/** @throws TypeError or RangeError for what no link can have; the kernel would take some of it for something else. */
export function checkLinkChange(change: Partial<LinkChange>): void {
  const { name, mtu, numTxQueues, numRxQueues, afSpec } = change
  const mode = afSpec?.inet6?.addrGenMode
  if (mode != null && !ADDR_GEN_MODES.includes(mode)) {
    throw new TypeError(`addrGenMode must be one of ${ADDR_GEN_MODES.join(', ')}, not '${mode}'`)
  }
  if (name !== undefined && name !== null) checkNewName(name)
  for (const [what, value] of Object.entries({ mtu, numTxQueues, numRxQueues })) {
    if (value != null && !(Number.isInteger(value) && value >= 0 && value <= 0xffffffff)) {
      throw new RangeError(`${what} must be an integer from 0 to 4294967295, not ${quote(value)}`)
    }
  }
}

/** Writes the struct ifinfomsg and the attributes that are given. */
export function encodeLinkChange(writer: Writer, change: Partial<LinkChange>): void {
  writeHeader(writer, change)
  encodeAttributes(writer, LINK_CHANGE, change)
}

/** struct ifinfomsg. */
export function writeHeader(writer: Writer, { index = 0, up = null }: Partial<LinkChange>): void {
  writer.zeros(4)
  writer.s32(index)
  writer.u32(up === true ? IFF.UP : 0)
  writer.u32(up === null ? 0 : IFF.UP) // ifi_change: which of the flags are meant
}
