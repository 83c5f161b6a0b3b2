import { notifiedDevice } from '../ethtool/device-features.ts'
import { ETHTOOL, MONITOR } from '../ethtool/message.ts'
import { type FamilyName, familyGroups, familyId } from '../genetlink/controller.ts'
import { decodeNetdevDevice } from '../netdev/device.ts'
import { NETDEV, NETDEV_MCGRP } from '../netdev/message.ts'
import { RTM, RTNLGRP } from '../rtnetlink/numbers.ts'
import type { RedirectFacts } from '../veth/facts.ts'
import { gatherFacts } from '../veth/facts-again.ts'
import { judge } from '../veth/judge.ts'
import { isOutOfReach } from '../veth/netns-search.ts'
import type { Verdict } from '../veth/verdict.ts'
import type { ExplainOptions } from '../veth/way.ts'
import type { DeviceRef } from '../wire/device-ref.ts'
import { SystemError, UnsupportedError } from '../wire/errors.ts'
import { LITTLE_ENDIAN, NETLINK_GENERIC, NETLINK_ROUTE } from '../wire/netlink.ts'
import { type Netns, OWN_NETNS } from '../wire/netns.ts'
import type { Operation } from '../wire/operation.ts'
import { isSame } from './fields.ts'
import { NetnsRoster, netnsIdGiven } from './netns-roster.ts'
import type { Feed, Watched } from './watch.ts'

/** Milliseconds from one look to the next where nothing was heard: the kernel does not tell of everything. */
const LOOK_EVERY = 1000

/** A device that decides, as messages name it. */
interface Decisive {
  /** The id of its namespace in this program's own; null: it is that one. */
  readonly netnsId: number | null
  /** null: any in that namespace, for it is not there yet. */
  readonly index: number | null
}

/** Reads from view[at, end) which device a message is about; null where it is about none. */
type DeviceIn = (view: DataView, at: number, end: number, type: number) => number | null

/**
 * The verdict on redirects into a device. It is asked for anew whenever rtnetlink, ethtool or the netdev family tells of one
 * of the devices that decide; and every so often, since of a program that a bpf_link attaches, or an end that moves between
 * two other namespaces, nobody may tell.
 */
export class WatchedVerdict implements Watched<Verdict, Verdict> {
  readonly again = { part: '', milliseconds: LOOK_EVERY }
  readonly #ref: DeviceRef
  readonly #options: ExplainOptions
  readonly #receiveBuffer: number | undefined
  readonly #roster = new NetnsRoster()
  /** The id that this program's own namespace has for itself; messages have it from then on. */
  #ownId: number | null = null
  #decisive: readonly Decisive[] = []

  constructor(ref: DeviceRef, options: ExplainOptions, receiveBuffer: number | undefined) {
    this.#ref = ref
    this.#options = options
    this.#receiveBuffer = receiveBuffer
  }

  *feeds(): Operation<Feed<Verdict, Verdict>[]> {
    this.#ownId = yield* idOrNull(netnsIdGiven(OWN_NETNS))
    yield* this.#facts() // the namespaces have ids before anything is listened to
    const links = this.#feed(NETLINK_ROUTE, [RTNLGRP.LINK], linkIndex)
    const ethtool = yield* this.#genericFeed(ETHTOOL, MONITOR, notifiedDevice)
    const netdev = yield* this.#genericFeed(NETDEV, NETDEV_MCGRP.MGMT, netdevIndex)
    return [links, ...ethtool, ...netdev]
  }

  *list(): Operation<[string, Verdict][]> {
    return [['verdict', judge(yield* this.#facts())]]
  }

  describe(before: Verdict | null, after: Verdict | null): Verdict | null {
    return isSame(before, after) ? null : after
  }

  resync(): null {
    return null // what was lost is asked for, like what was heard
  }

  *#facts(): Operation<RedirectFacts> {
    const facts = yield* gatherFacts(this.#ref, this.#options)
    const { ref, target, from, peer } = facts
    const decisive = [yield* this.#place(ref.netns, target?.link.index ?? null)]
    if (from !== null) decisive.push(yield* this.#place(ref.netns, from.link?.index ?? null))
    if (peer !== null && peer.netns !== null) decisive.push(yield* this.#place(peer.netns, peer.link.index))
    this.#decisive = decisive.filter(device => device !== null)
    return facts
  }

  /** null where its namespace cannot be given an id: then it is only looked at every so often. */
  *#place(netns: Netns, index: number | null): Operation<Decisive | null> {
    if (netns.path === '') return { netnsId: null, index }
    try {
      return { netnsId: (yield* this.#roster.enter(netns)).id, index }
    } catch (error) {
      if (isOutOfReach(error)) return null
      throw error
    }
  }

  /** None where this kernel has no such family. */
  *#genericFeed(family: FamilyName, group: string, deviceIn: DeviceIn): Operation<Feed<Verdict, Verdict>[]> {
    try {
      const id = yield* familyId(family)
      const groups = yield* familyGroups(family, [group])
      return [
        this.#feed(NETLINK_GENERIC, groups, (view, at, end, type) =>
          type === id ? deviceIn(view, at, end, type) : null,
        ),
      ]
    } catch (error) {
      if (error instanceof UnsupportedError) return []
      throw error
    }
  }

  #feed(protocol: number, groups: readonly number[], deviceIn: DeviceIn): Feed<Verdict, Verdict> {
    const receiveBuffer = this.#receiveBuffer
    return {
      groups: { netns: OWN_NETNS, protocol, groups, receiveBuffer, allNsid: 'if allowed' },
      hear: (table, view, at, end, type, nsid) => {
        const index = deviceIn(view, at, end, type)
        if (index !== null && this.#decides(index, nsid === this.#ownId ? null : nsid)) table.ask('')
      },
    }
  }

  #decides(index: number, netnsId: number | null): boolean {
    return this.#decisive.some(
      device => device.netnsId === netnsId && (device.index === null || device.index === index),
    )
  }
}

/** null without CAP_NET_ADMIN. */
function* idOrNull(given: Operation<number>): Operation<number | null> {
  try {
    return yield* given
  } catch (error) {
    if (error instanceof SystemError && error.code === 'EPERM') return null
    throw error
  }
}

function linkIndex(view: DataView, at: number, end: number, type: number): number | null {
  if (at + 8 > end || (type !== RTM.NEWLINK && type !== RTM.DELLINK)) return null
  return view.getInt32(at + 4, LITTLE_ENDIAN)
}

function netdevIndex(view: DataView, at: number, end: number, type: number): number {
  return decodeNetdevDevice(view, at, end, type).index
}
