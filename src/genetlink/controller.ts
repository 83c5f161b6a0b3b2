import { listOf, nested, string, u16, u32 } from '../wire/attribute.ts'
import { NetlinkError, UnsupportedError } from '../wire/errors.ts'
import { Message } from '../wire/message.ts'
import { NETLINK_GENERIC } from '../wire/netlink.ts'
import { OWN_NETNS } from '../wire/netns.ts'
import { ask, type Operation } from '../wire/operation.ts'
import { get } from '../wire/request.ts'
import { decodeAttributes, NO_UNKNOWN, table } from '../wire/table.ts'

/** The controller's own fixed numbers. Source: include/uapi/linux/genetlink.h. */
const GENL_ID_CTRL = 0x10
const CTRL_CMD_GETFAMILY = 3
const CTRL_VERSION = 2
export const CTRL_ATTR = { FAMILY_ID: 1, FAMILY_NAME: 2, MCAST_GROUPS: 7 } as const
export const CTRL_ATTR_MCAST_GRP = { NAME: 1, ID: 2 } as const

/** struct genlmsghdr: u8 cmd, u8 version, u16 reserved. */
export const GENL_HDRLEN = 4

/** A generic netlink family that this library speaks. */
export interface FamilyName {
  readonly name: string
  readonly version: number
  /** The first kernel release that has it. */
  readonly since: string
}

/** A multicast group of a family. */
class Group {
  unknown = NO_UNKNOWN
  name = ''
  id = 0
}
const GROUP = table<Group>([
  [CTRL_ATTR_MCAST_GRP.NAME, 'name', string],
  [CTRL_ATTR_MCAST_GRP.ID, 'id', u32],
])

/** A registered family. Its id is given at registration and the same in every network namespace. */
class Family {
  unknown = NO_UNKNOWN
  id = 0
  name = ''
  groups: Group[] = []
}
const FAMILY = table<Family>([
  [CTRL_ATTR.FAMILY_ID, 'id', u16],
  [CTRL_ATTR.FAMILY_NAME, 'name', string],
  [CTRL_ATTR.MCAST_GROUPS, 'groups', listOf(nested(Group, GROUP))],
])

/**
 * The nlmsg_type of a family's messages, asked for once per kernel object.
 * @throws UnsupportedError where the family does not exist.
 */
export function* familyId(name: FamilyName): Operation<number> {
  return (yield* knownFamily(name)).id
}

/**
 * The numbers of those of a family's multicast groups that this kernel has.
 * @throws UnsupportedError where the family does not exist.
 */
export function* familyGroups(name: FamilyName, wanted: readonly string[]): Operation<number[]> {
  const { groups } = yield* knownFamily(name)
  return groups.filter(group => wanted.includes(group.name)).map(({ id }) => id)
}

function* knownFamily({ name, since }: FamilyName): Operation<Family> {
  const memory = yield* ask<'memory'>({ kind: 'memory' })
  const key = `genetlink family ${name}`
  const known = memory.get(key)
  if (known !== undefined) return known as Family
  const family = yield* getFamily(name, since)
  memory.set(key, family)
  return family
}

function* getFamily(name: string, since: string): Operation<Family> {
  const subject = { message: 'CTRL_CMD_GETFAMILY', netns: OWN_NETNS, device: '', writes: false }
  const layout = { header: GENL_HDRLEN, table: FAMILY }
  const message = new Message(subject, NETLINK_GENERIC, GENL_ID_CTRL, 0, layout)
  writeGenericHeader(message, CTRL_CMD_GETFAMILY, CTRL_VERSION)
  message.attribute(CTRL_ATTR.FAMILY_NAME, () => message.text(name))
  try {
    return yield* get(message, (view, at, end) =>
      decodeAttributes(view, at + GENL_HDRLEN, end, FAMILY, new Family()),
    )
  } catch (error) {
    if (error instanceof NetlinkError && error.code === 'ENOENT') {
      throw new UnsupportedError(`generic netlink family '${name}'`, since)
    }
    throw error
  }
}

export function writeGenericHeader(message: Message, command: number, version: number): void {
  message.u8(command)
  message.u8(version)
  message.zeros(2)
}
