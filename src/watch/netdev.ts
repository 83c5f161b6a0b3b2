import { notifiedDevice } from '../ethtool/device-features.ts'
import { ETHTOOL, MONITOR } from '../ethtool/message.ts'
import { familyGroups, familyId } from '../genetlink/controller.ts'
import { decodeNetdevDevice, listNetdevDevices, type NetdevDevice } from '../netdev/device.ts'
import { NETDEV, NETDEV_MCGRP, NETDEV_NTF } from '../netdev/message.ts'
import { listAllNapi, listNapi, type Napi } from '../netdev/napi.ts'
import { decodePagePool, listPagePools, type PagePool } from '../netdev/page-pool.ts'
import { NetlinkError } from '../wire/errors.ts'
import { NETLINK_GENERIC } from '../wire/netlink.ts'
import type { Netns } from '../wire/netns.ts'
import type { Operation } from '../wire/operation.ts'
import { hearDevices } from './device-messages.ts'
import { changedFields } from './fields.ts'
import { inside } from './inside-netns.ts'
import type { LinkPlace } from './link-event.ts'
import { type Listing, Namespaces } from './namespaces.ts'
import { netnsIdOf, type Place, type Places } from './places.ts'
import type { Table } from './table.ts'
import type { Feed, Watched } from './watch.ts'

/** What the netdev family knows, by its kind. `index` is in each the device's. */
export interface NetdevObjects {
  device: NetdevDevice
  /** Linux 6.8. */
  napi: Napi
  /** Linux 6.8. */
  'page-pool': PagePool
}

/** What has become of an object since the last event about it. */
type Told<Kind, Thing> =
  | ({ readonly type: 'added'; readonly kind: Kind; readonly object: Thing } & LinkPlace)
  | ({
      readonly type: 'changed'
      readonly kind: Kind
      /** As it is now, and as the last event about it had it. */
      readonly object: Thing
      readonly old: Thing
      readonly fields: readonly (keyof Thing & string)[]
    } & LinkPlace)
  /** object: as the last event about it had it. */
  | ({ readonly type: 'removed'; readonly kind: Kind; readonly object: Thing } & LinkPlace)

export type NetdevEvent =
  | { [Kind in keyof NetdevObjects]: Told<Kind, NetdevObjects[Kind]> }[keyof NetdevObjects]
  /** Messages of the kernel's were lost, so many times; what they said follows as ordinary events. */
  | { readonly type: 'resync'; readonly losses: number }

interface Known {
  readonly place: Place
  readonly kind: keyof NetdevObjects
  readonly object: NetdevObjects[keyof NetdevObjects]
}

/**
 * The devices, NAPI instances and page pools of namespaces. The kernel has no message about NAPI (netdev.yaml, up to 7.1):
 * a device's instances are asked for whenever rtnetlink or ethtool tells that something about it has changed. Both do so
 * after the change. What is set by `napi-set`, or in sysfs, is not told.
 */
export class WatchedNetdev implements Watched<Known, NetdevEvent> {
  readonly again: Watched<Known, NetdevEvent>['again']
  readonly #namespaces: Namespaces
  /** Linux 6.8, which has NAPI instances and page pools in the family. */
  #hasNapi = false

  constructor(wanted: readonly Netns[] | 'all', receiveBuffer?: number) {
    this.#namespaces = new Namespaces(wanted, receiveBuffer)
    this.again = this.#namespaces.again
  }

  *feeds(): Operation<Feed<Known, NetdevEvent>[]> {
    yield* this.#namespaces.places.begin()
    const netdev = yield* familyId(NETDEV)
    const mgmt = yield* familyGroups(NETDEV, [NETDEV_MCGRP.MGMT])
    const pagePool = yield* familyGroups(NETDEV, [NETDEV_MCGRP.PAGE_POOL])
    this.#hasNapi = pagePool.length > 0
    const own = [this.#netdevFeed(netdev, [...mgmt, ...pagePool]), this.#linkFeed()]
    if (!this.#hasNapi) return own
    const monitor = yield* familyGroups(ETHTOOL, [MONITOR])
    return [...own, this.#ethtoolFeed(yield* familyId(ETHTOOL), monitor)]
  }

  list(parts: readonly string[], table: Table<Known, NetdevEvent>): Operation<ReadonlyMap<string, Known>> {
    return this.#namespaces.list(parts, table, new NetdevList(this.#namespaces.places, this.#hasNapi))
  }

  isOver(): boolean {
    return this.#namespaces.places.all.length === 0
  }

  describe(before: Known | null, after: Known | null): NetdevEvent | null {
    if (after === null) return before && eventOf('removed', before)
    if (before === null) return eventOf('added', after)
    const fields = changedFields(before.object, after.object)
    return fields.length === 0 ? null : eventOf('changed', after, { old: before.object, fields })
  }

  isAnother(before: Known, after: Known): boolean {
    return before.place !== after.place
  }

  resync(losses: number): NetdevEvent {
    return { type: 'resync', losses }
  }

  /** They come by one socket, so in order, and say all of their object. */
  #netdevFeed(family: number, groups: readonly number[]): Feed<Known, NetdevEvent> {
    return this.#namespaces.feed(NETLINK_GENERIC, groups, (table, place, view, at, end, type) => {
      if (type !== family) return
      switch (view.getUint8(at)) {
        case NETDEV_NTF.DEV_ADD_NTF:
        case NETDEV_NTF.DEV_CHANGE_NTF:
          table.put(...deviceEntry(place, decodeNetdevDevice(view, at, end, type)))
          break
        case NETDEV_NTF.DEV_DEL_NTF:
          table.remove(deviceEntry(place, decodeNetdevDevice(view, at, end, type))[0])
          break
        case NETDEV_NTF.PAGE_POOL_ADD_NTF:
        case NETDEV_NTF.PAGE_POOL_CHANGE_NTF:
          table.put(...pagePoolEntry(place, decodePagePool(view, at, end, type)))
          break
        case NETDEV_NTF.PAGE_POOL_DEL_NTF:
          table.remove(pagePoolEntry(place, decodePagePool(view, at, end, type))[0])
      }
    })
  }

  #linkFeed(): Feed<Known, NetdevEvent> {
    const ask = (table: Table<Known, NetdevEvent>, place: Place, index: number) => {
      if (this.#hasNapi) table.ask(napiPart(place, index))
    }
    return this.#namespaces.linkFeed(
      hearDevices({ is: ask, gone: (table, place, index) => table.removePart(napiPart(place, index)) }),
    )
  }

  /** Of whatever ethtool tells of a device. */
  #ethtoolFeed(family: number, groups: readonly number[]): Feed<Known, NetdevEvent> {
    return this.#namespaces.feed(NETLINK_GENERIC, groups, (table, place, view, at, end, type) => {
      const index = type === family ? notifiedDevice(view, at, end, type) : null
      if (index !== null) table.ask(napiPart(place, index))
    })
  }
}

/** Objects as the netdev family tells of them when it is asked. */
class NetdevList implements Listing<Known> {
  readonly fresh = new Map<string, Known>()
  readonly #places: Places
  readonly #hasNapi: boolean

  constructor(places: Places, hasNapi: boolean) {
    this.#places = places
    this.#hasNapi = hasNapi
  }

  *addPlace(place: Place): Operation<void> {
    for (const device of yield* inside(place, listNetdevDevices)) this.#add(deviceEntry(place, device))
    if (!this.#hasNapi) return
    for (const napi of yield* inside(place, netns => orNone(listAllNapi(netns))))
      this.#add(napiEntry(place, napi))
    for (const pool of yield* inside(place, netns => orNone(listPagePools(netns))))
      this.#add(pagePoolEntry(place, pool))
  }

  /** Parts with a device's NAPI instances. */
  *addParts(parts: readonly string[]): Operation<void> {
    for (const part of parts) {
      const place = this.#places.find(netnsIdOf(part))
      if (place === null) continue
      const device = Number(part.slice(place.part.length + NAPI.length))
      for (const napi of yield* inside(place, netns => orNone(listNapi({ netns, device }))))
        this.#add(napiEntry(place, napi))
    }
  }

  #add([key, known]: Entry): void {
    this.fresh.set(key, known)
  }
}

/** Which object a message or a list is about, and the object. */
type Entry = [key: string, known: Known]

function deviceEntry(place: Place, object: NetdevDevice): Entry {
  return [`${place.part}device ${object.index}`, { place, kind: 'device', object }]
}

const NAPI = 'napi '

function napiEntry(place: Place, object: Napi): Entry {
  return [`${napiPart(place, object.index)}${object.id}`, { place, kind: 'napi', object }]
}

/** The part of the table with a device's NAPI instances. */
function napiPart({ part }: Place, index: number): string {
  return `${part}${NAPI}${index} `
}

function pagePoolEntry(place: Place, object: PagePool): Entry {
  return [`${place.part}page-pool ${object.id}`, { place, kind: 'page-pool', object }]
}

function eventOf(
  type: NetdevEvent['type'],
  { place: { netns, netnsId }, kind, object }: Known,
  more = {},
): NetdevEvent {
  return { type, kind, object, ...more, netns, netnsId } as NetdevEvent
}

/** A device that is gone meanwhile has none, nor has a kernel that was built without. */
function* orNone<T>(list: Operation<T[]>): Operation<T[]> {
  try {
    return yield* list
  } catch (error) {
    const has = !(error instanceof NetlinkError && ['ENODEV', 'EOPNOTSUPP'].includes(error.code))
    if (has) throw error
    return []
  }
}
