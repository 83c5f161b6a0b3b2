import type { Groups } from '../kernel/subscription.ts'
import { IFINFOMSG_SIZE, IFLA, RTM, RTNLGRP } from '../rtnetlink/numbers.ts'
import { string } from '../wire/attribute.ts'
import { LITTLE_ENDIAN, NETLINK_ROUTE } from '../wire/netlink.ts'
import { decodeAttributes, excerpt } from '../wire/table.ts'
import type { Table } from './table.ts'
import type { Feed } from './watch.ts'

/** What becomes of the devices of a namespace, for what is watched of each. */
export interface DeviceEvents<V, E> {
  /** It is there, perhaps new, perhaps changed. name: '' where the message does not tell. */
  is(table: Table<V, E>, index: number, name: string): void
  gone(table: Table<V, E>, index: number): void
}

/** A namespace, and how much the kernel may queue. */
export type Where = Pick<Groups, 'netns' | 'receiveBuffer'>

/** The messages of RTNLGRP_LINK. */
export function deviceFeed<V, E>(where: Where, events: DeviceEvents<V, E>): Feed<V, E> {
  return {
    groups: { ...where, protocol: NETLINK_ROUTE, groups: [RTNLGRP.LINK] },
    hear(table, view, at, end, type) {
      // A bridge tells of its ports as AF_BRIDGE: a port that is deleted there is a device all the same.
      if (at + IFINFOMSG_SIZE > end || view.getUint8(at) !== AF_UNSPEC) return
      const index = view.getInt32(at + 4, LITTLE_ENDIAN)
      if (type === RTM.DELLINK) events.gone(table, index)
      if (type === RTM.NEWLINK) events.is(table, index, nameIn(view, at + IFINFOMSG_SIZE, end))
    },
  }
}

const AF_UNSPEC = 0

class Named {
  name = ''
}
const NAMED = excerpt<Named>([[IFLA.IFNAME, 'name', string]])

function nameIn(view: DataView, at: number, end: number): string {
  return decodeAttributes(view, at, end, NAMED, new Named()).name
}
