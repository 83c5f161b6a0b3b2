import { type Kind, linkAddress, nested, s32, string, u32 } from '../wire/attribute.ts'
import { DecodeError } from '../wire/errors.ts'
import { LITTLE_ENDIAN } from '../wire/netlink.ts'
import { decodeAttributes, excerpt } from '../wire/table.ts'
import { IFF, IFINFOMSG_SIZE, IFLA, IFLA_INFO } from './numbers.ts'
import { XDP, XdpState } from './xdp-state.ts'

/** IFLA_LINKINFO, of which only the kind. */
class InfoKind {
  kind = ''
}
const INFO_KIND = excerpt<InfoKind>([[IFLA_INFO.KIND, 'kind', string]])
const infoKind = nested(InfoKind, INFO_KIND)
const kind: Kind<string> = {
  ...infoKind,
  read: (view, at, length) => infoKind.read(view, at, length).kind,
  write: (writer, value) => infoKind.write(writer, { kind: value }),
}

/** What of a link decides about frames on their way: a Link without all the rest, read in a third of the time. */
export class LinkExcerpt {
  index = 0
  /** ifi_flags: IFF_*. */
  flags = 0
  name = ''
  /** Bytes, without the link-layer header. */
  mtu = 0
  /** IFLA_LINK: a veth's peer, by its index. */
  link = 0
  /** The id of the namespace in which that index counts; null: this one. */
  linkNetnsId: number | null = null
  numTxQueues = 0
  numRxQueues = 0
  /** 'veth', 'bridge' …, '' for hardware. */
  kind = ''
  xdp: XdpState | null = null
  address = ''

  /** Administratively up. */
  get up(): boolean {
    return (this.flags & IFF.UP) !== 0
  }
}

const LINK_EXCERPT = excerpt<Omit<LinkExcerpt, 'index' | 'flags' | 'up'>>([
  [IFLA.IFNAME, 'name', string],
  [IFLA.MTU, 'mtu', u32],
  [IFLA.LINK, 'link', u32],
  [IFLA.LINK_NETNSID, 'linkNetnsId', s32],
  [IFLA.NUM_TX_QUEUES, 'numTxQueues', u32],
  [IFLA.NUM_RX_QUEUES, 'numRxQueues', u32],
  [IFLA.LINKINFO, 'kind', kind],
  [IFLA.XDP, 'xdp', nested(XdpState, XDP)],
  [IFLA.ADDRESS, 'address', linkAddress],
])

/** Reads view[at, end): a struct ifinfomsg and its attributes. @throws DecodeError when it is cut short. */
export function decodeLinkExcerpt(view: DataView, at: number, end: number): LinkExcerpt {
  if (at + IFINFOMSG_SIZE > end) throw new DecodeError('a link message without its struct ifinfomsg', at)
  const link = new LinkExcerpt()
  link.index = view.getInt32(at + 4, LITTLE_ENDIAN)
  link.flags = view.getUint32(at + 8, LITTLE_ENDIAN)
  decodeAttributes(view, at + IFINFOMSG_SIZE, end, LINK_EXCERPT, link)
  return link
}
