import { IFINFOMSG_SIZE, IFLA, RTM } from '../rtnetlink/numbers.ts'
import { string } from '../wire/attribute.ts'
import { LITTLE_ENDIAN } from '../wire/netlink.ts'
import { decodeAttributes, excerpt } from '../wire/table.ts'
import type { HearIn } from './namespaces.ts'
import type { Place } from './places.ts'
import type { Table } from './table.ts'

/** What becomes of the devices of a namespace, for what is watched of each. */
export interface DeviceEvents<V, E> {
  /** It is there, perhaps new, perhaps changed. name: '' where the message does not tell. */
  is(table: Table<V, E>, place: Place, index: number, name: string): void
  gone(table: Table<V, E>, place: Place, index: number): void
}

/** Reads the messages of RTNLGRP_LINK. */
export function hearDevices<V, E>(events: DeviceEvents<V, E>): HearIn<V, E> {
  return (table, place, view, at, end, type) => {
    // A bridge tells of its ports as AF_BRIDGE: a port that is deleted there is a device all the same.
    if (at + IFINFOMSG_SIZE > end || view.getUint8(at) !== AF_UNSPEC) return
    const index = view.getInt32(at + 4, LITTLE_ENDIAN)
    if (type === RTM.DELLINK) events.gone(table, place, index)
    if (type === RTM.NEWLINK) events.is(table, place, index, nameIn(view, at + IFINFOMSG_SIZE, end))
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
