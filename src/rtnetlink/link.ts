import {
  bytes,
  type Kind,
  linkAddress,
  nested,
  repeated,
  s32,
  string,
  u8,
  u16,
  u32,
} from '../wire/attribute.ts'
import { DecodeError } from '../wire/errors.ts'
import { LITTLE_ENDIAN } from '../wire/netlink.ts'
import { decodeAttributes, NO_UNKNOWN, type Table, table } from '../wire/table.ts'
import { type LinkStats, stats64 } from './link-stats.ts'
import { IFF, IFINFOMSG_SIZE, IFLA, IFLA_INFO } from './numbers.ts'
import { XDP, XdpState } from './xdp-state.ts'

/** IFLA_LINKINFO: which driver made the link, and its own attributes as they came. */
export class LinkInfo {
  unknown = NO_UNKNOWN
  /** 'veth', 'bridge', 'vlan' …, '' for hardware. */
  kind = ''
  /** IFLA_INFO_DATA, undecoded; what it holds depends on the kind. */
  data: Uint8Array | null = null
  /** The kind of the link's master: 'bridge', 'bond' …. */
  slaveKind = ''
  slaveData: Uint8Array | null = null
}

export const LINK_INFO = table<LinkInfo>(
  [
    [IFLA_INFO.KIND, 'kind', string],
    [IFLA_INFO.DATA, 'data', bytes],
    [IFLA_INFO.SLAVE_KIND, 'slaveKind', string],
    [IFLA_INFO.SLAVE_DATA, 'slaveData', bytes],
  ],
  [IFLA_INFO.XSTATS],
)

/** IFLA_PROP_LIST. */
class PropertyList {
  unknown = NO_UNKNOWN
  altNames: string[] = []
}
const PROPERTY_LIST = table<PropertyList>([[IFLA.ALT_IFNAME, 'altNames', repeated(string)]])
const propertyList = nested(PropertyList, PROPERTY_LIST)
const altNames: Kind<string[]> = {
  ...propertyList,
  read: (view, at, length) => propertyList.read(view, at, length).altNames,
  write: (writer, names) =>
    propertyList.write(writer, Object.assign(new PropertyList(), { altNames: names })),
}

/** A network device. Source: include/uapi/linux/if_link.h, net/core/rtnetlink.c (rtnl_fill_ifinfo). */
export class Link {
  unknown = NO_UNKNOWN
  index = 0
  /** ifi_type: ARPHRD_*, 1 for Ethernet. */
  type = 0
  /** ifi_flags: IFF_*. */
  flags = 0
  /** At most 15 bytes. */
  name = ''
  /** Alternative names, each at most 127 bytes. */
  altNames: string[] = []
  /** The alias that an administrator gave it. */
  alias = ''
  /** 'aa:bb:cc:dd:ee:ff' for Ethernet. */
  address = ''
  broadcast = ''
  permanentAddress = ''
  /** Bytes, without the link-layer header; so are the two limits, 0 where there is none. */
  mtu = 0
  minMtu = 0
  maxMtu = 0
  /** IFLA_LINK: the index of the link this one sits on, or a veth's peer; 0 when none is told. */
  link = 0
  /** IFLA_LINK_NETNSID: the id of the namespace that `link` counts in; null: this link's own. */
  linkNetnsId: number | null = null
  /** The bridge, bond … that it is a port of, 0 when none. */
  master = 0
  /** RFC 2863: 0 unknown, 2 down, 3 lower layer down, 5 dormant, 6 up. */
  operState = 0
  linkMode = 0
  carrier = 0
  carrierChanges = 0
  carrierUpCount = 0
  carrierDownCount = 0
  protoDown = 0
  group = 0
  promiscuity = 0
  allMulticast = 0
  txQueueLength = 0
  qdisc = ''
  /** The queues allocated when the link was made; ethtool's channels tell those in use. */
  numTxQueues = 0
  numRxQueues = 0
  gsoMaxSegments = 0
  gsoMaxSize = 0
  gsoIpv4MaxSize = 0
  groMaxSize = 0
  groIpv4MaxSize = 0
  tsoMaxSegments = 0
  tsoMaxSize = 0
  maxPacingOffloadHorizon = 0
  headroom = 0
  tailroom = 0
  /** It cannot be moved to another namespace (Linux 6.15). */
  netnsImmutable = 0
  parentName = ''
  parentBus = ''
  physicalPortName = ''
  physicalPortId = ''
  physicalSwitchId = ''
  linkinfo: LinkInfo | null = null
  /** null when the kernel reports none. */
  xdp: XdpState | null = null
  /** null when they were not asked for. */
  stats: LinkStats | null = null

  /** Administratively up. */
  get up(): boolean {
    return (this.flags & IFF.UP) !== 0
  }

  /** 'veth', 'bridge' …, '' for hardware. */
  get kind(): string {
    return this.linkinfo?.kind ?? ''
  }
}

/**
 * The 32-bit twin of the counters, obsolete bus addresses, per-family settings, virtual functions, nests that only name
 * other subsystems' objects; and what a message says of itself.
 */
const SKIPPED = [
  IFLA.STATS,
  IFLA.MAP,
  IFLA.AF_SPEC,
  IFLA.NUM_VF,
  IFLA.VFINFO_LIST,
  IFLA.VF_PORTS,
  IFLA.DEVLINK_PORT,
  IFLA.DPLL_PIN,
  IFLA.EXT_MASK,
  IFLA.TARGET_NETNSID,
  IFLA.EVENT,
  IFLA.NEW_NETNSID,
  IFLA.NEW_IFINDEX,
]

export const LINK = table<Link>(
  [
    [IFLA.IFNAME, 'name', string],
    [IFLA.TXQLEN, 'txQueueLength', u32],
    [IFLA.OPERSTATE, 'operState', u8],
    [IFLA.LINKMODE, 'linkMode', u8],
    [IFLA.NETNS_IMMUTABLE, 'netnsImmutable', u8],
    [IFLA.MTU, 'mtu', u32],
    [IFLA.MIN_MTU, 'minMtu', u32],
    [IFLA.MAX_MTU, 'maxMtu', u32],
    [IFLA.GROUP, 'group', u32],
    [IFLA.PROMISCUITY, 'promiscuity', u32],
    [IFLA.ALLMULTI, 'allMulticast', u32],
    [IFLA.NUM_TX_QUEUES, 'numTxQueues', u32],
    [IFLA.GSO_MAX_SEGS, 'gsoMaxSegments', u32],
    [IFLA.GSO_MAX_SIZE, 'gsoMaxSize', u32],
    [IFLA.GRO_MAX_SIZE, 'groMaxSize', u32],
    [IFLA.GSO_IPV4_MAX_SIZE, 'gsoIpv4MaxSize', u32],
    [IFLA.GRO_IPV4_MAX_SIZE, 'groIpv4MaxSize', u32],
    [IFLA.TSO_MAX_SIZE, 'tsoMaxSize', u32],
    [IFLA.TSO_MAX_SEGS, 'tsoMaxSegments', u32],
    [IFLA.MAX_PACING_OFFLOAD_HORIZON, 'maxPacingOffloadHorizon', u32],
    [IFLA.NUM_RX_QUEUES, 'numRxQueues', u32],
    [IFLA.CARRIER, 'carrier', u8],
    [IFLA.LINK, 'link', u32],
    [IFLA.LINK_NETNSID, 'linkNetnsId', s32],
    [IFLA.MASTER, 'master', u32],
    [IFLA.QDISC, 'qdisc', string],
    [IFLA.IFALIAS, 'alias', string],
    [IFLA.CARRIER_CHANGES, 'carrierChanges', u32],
    [IFLA.CARRIER_UP_COUNT, 'carrierUpCount', u32],
    [IFLA.CARRIER_DOWN_COUNT, 'carrierDownCount', u32],
    [IFLA.HEADROOM, 'headroom', u16],
    [IFLA.TAILROOM, 'tailroom', u16],
    [IFLA.PROTO_DOWN, 'protoDown', u8],
    [IFLA.PHYS_PORT_ID, 'physicalPortId', linkAddress],
    [IFLA.PHYS_PORT_NAME, 'physicalPortName', string],
    [IFLA.PHYS_SWITCH_ID, 'physicalSwitchId', linkAddress],
    [IFLA.PARENT_DEV_NAME, 'parentName', string],
    [IFLA.PARENT_DEV_BUS_NAME, 'parentBus', string],
    [IFLA.ADDRESS, 'address', linkAddress],
    [IFLA.BROADCAST, 'broadcast', linkAddress],
    [IFLA.PERM_ADDRESS, 'permanentAddress', linkAddress],
    [IFLA.STATS64, 'stats', stats64],
    [IFLA.XDP, 'xdp', nested(XdpState, XDP)],
    [IFLA.LINKINFO, 'linkinfo', nested(LinkInfo, LINK_INFO)],
    [IFLA.PROP_LIST, 'altNames', altNames],
  ],
  SKIPPED,
)

/** The same without the counters. */
export const LINK_STATE = table<Link>(
  LINK.rows.filter(([type]) => type !== IFLA.STATS64),
  [...SKIPPED, IFLA.STATS64],
)

/** Reads view[at, end): a struct ifinfomsg and its attributes. @throws DecodeError when it is cut short. */
export function decodeLink(view: DataView, at: number, end: number): Link {
  return decode(view, at, end, LINK)
}

/** The same without its counters, whether they came or not. */
export function decodeLinkState(view: DataView, at: number, end: number): Link {
  return decode(view, at, end, LINK_STATE)
}

function decode(view: DataView, at: number, end: number, attributes: Table<Link>): Link {
  if (at + IFINFOMSG_SIZE > end) throw new DecodeError('a link message without its struct ifinfomsg', at)
  const link = new Link()
  link.type = view.getUint16(at + 2, LITTLE_ENDIAN)
  link.index = view.getInt32(at + 4, LITTLE_ENDIAN)
  link.flags = view.getUint32(at + 8, LITTLE_ENDIAN)
  return decodeAttributes(view, at + IFINFOMSG_SIZE, end, attributes, link)
}
