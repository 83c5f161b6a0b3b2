import { DecodeError } from '../wire/errors.ts'
import { LITTLE_ENDIAN } from '../wire/netlink.ts'
import { decodeLinkState, type Link } from './link.ts'
import { IFINFOMSG_SIZE, RTM } from './numbers.ts'

/** What a message of RTNLGRP_LINK says of a device. */
export type LinkNotification =
  | { readonly says: 'is'; readonly link: Link }
  | { readonly says: 'gone'; readonly index: number }
  /** That something happened to it, and no more. */
  | { readonly says: 'ask'; readonly index: number }

const AF_UNSPEC = 0

/**
 * Reads view[at, end): a struct ifinfomsg and its attributes. Not everything in the group is about a device's coming and
 * going: a bridge tells of its ports as AF_BRIDGE, where RTM_DELLINK means that a port left it (br_ifinfo_notify()); and a
 * wireless event has nothing but IFLA_WIRELESS (wireless_nlevent_flush()).
 * @throws DecodeError when it is cut short.
 */
export function decodeLinkNotification(
  view: DataView,
  at: number,
  end: number,
  type: number,
): LinkNotification {
  if (at + IFINFOMSG_SIZE > end) throw new DecodeError('a link message without its struct ifinfomsg', at)
  const family = view.getUint8(at)
  const index = view.getInt32(at + 4, LITTLE_ENDIAN)
  if (family !== AF_UNSPEC) return { says: 'ask', index }
  if (type === RTM.DELLINK) return { says: 'gone', index }
  const link = decodeLinkState(view, at, end)
  return link.name === '' ? { says: 'ask', index } : { says: 'is', link }
}
