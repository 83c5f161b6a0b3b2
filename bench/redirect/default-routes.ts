import {
  decodeAttributes,
  dump,
  type Kind,
  Message,
  NETLINK_ROUTE,
  NLM_F,
  NO_UNKNOWN,
  PromiseKernel,
  run,
  s32,
  table,
  u16,
  u32,
} from '../../src/codec.ts'
import type { Netns } from '../../src/index.ts'

/** Source: include/uapi/linux/rtnetlink.h, include/uapi/linux/nexthop.h. */
const [RTM_GETROUTE, RTM_GETNEXTHOP] = [26, 106]
const RTA = { OIF: 4, MULTIPATH: 9, NH_ID: 30 } as const
const NHA_OIF = 5
const RTN_UNICAST = 1
const FAMILIES = [2, 10] // AF_INET, AF_INET6
/** struct rtmsg: u8 family, u8 dst_len, four more, u8 scope, u8 type, u32 flags. */
const RTMSG_SIZE = 12
const [DST_LEN_AT, TYPE_AT] = [1, 7]
/** struct nhmsg. */
const NHMSG_SIZE = 8

/** RTA_MULTIPATH, struct rtnexthop each: u16 len, u8 flags, u8 hops, s32 ifindex, attributes. */
const nextHops: Kind<number[]> = {
  least: 8,
  read(view, at, length) {
    const indexes: number[] = []
    for (let next = at; next + 8 <= at + length; ) {
      indexes.push(s32.read(view, next + 4, 4))
      next += Math.max(8, (u16.read(view, next, 2) + 3) & ~3)
    }
    return indexes
  },
  write() {},
}

class Route {
  unknown = NO_UNKNOWN
  device = 0
  devices: readonly number[] = []
  nextHopId = 0
}
const ROUTE = table<Route>([
  [RTA.OIF, 'device', u32],
  [RTA.MULTIPATH, 'devices', nextHops as Kind<readonly number[]>],
  [RTA.NH_ID, 'nextHopId', u32],
])

class NextHop {
  unknown = NO_UNKNOWN
  device = 0
}
const NEXT_HOP = table<NextHop>([[NHA_OIF, 'device', u32]])

/** The devices that a namespace's default routes lead to, by index: of both families, of all tables, of all next hops. */
export async function defaultRouteDevices(netns: Netns): Promise<number[]> {
  const kernel = new PromiseKernel()
  const found = new Set<number>()
  let isUntold = false
  for (const family of FAMILIES) {
    const routes = await run(dump(routesRequest(netns, family), decodeDefaultRoute), kernel)
    for (const route of routes) {
      if (route === null) continue
      const devices = [route.device, ...route.devices].filter(index => index !== 0)
      // With the sysctl nexthop_compat_mode at 0 it names a next hop and no device.
      if (devices.length === 0 && route.nextHopId !== 0) isUntold = true
      for (const index of devices) found.add(index)
    }
  }
  // Then each of them may be its own.
  const hops = isUntold ? await run(dump(nextHopsRequest(netns), decodeNextHop), kernel) : []
  for (const { device } of hops) if (device !== 0) found.add(device)
  return [...found]
}

/** null for any other route; a kernel without IPv6 gives those of all families. */
function decodeDefaultRoute(view: DataView, at: number, end: number): Route | null {
  const isDefault = view.getUint8(at + DST_LEN_AT) === 0 && view.getUint8(at + TYPE_AT) === RTN_UNICAST
  if (!isDefault || !FAMILIES.includes(view.getUint8(at))) return null
  return decodeAttributes(view, at + RTMSG_SIZE, end, ROUTE, new Route())
}

function decodeNextHop(view: DataView, at: number, end: number): NextHop {
  return decodeAttributes(view, at + NHMSG_SIZE, end, NEXT_HOP, new NextHop())
}

function routesRequest(netns: Netns, family: number): Message {
  const subject = { message: 'RTM_GETROUTE', netns, device: '', writes: false }
  const layout = { header: RTMSG_SIZE, table: ROUTE }
  const message = new Message(subject, NETLINK_ROUTE, RTM_GETROUTE, NLM_F.DUMP, layout)
  message.u8(family)
  message.zeros(RTMSG_SIZE - 1)
  return message
}

function nextHopsRequest(netns: Netns): Message {
  const subject = { message: 'RTM_GETNEXTHOP', netns, device: '', writes: false }
  const layout = { header: NHMSG_SIZE, table: NEXT_HOP }
  const message = new Message(subject, NETLINK_ROUTE, RTM_GETNEXTHOP, NLM_F.DUMP, layout)
  message.zeros(NHMSG_SIZE)
  return message
}
