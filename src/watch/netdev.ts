import { notifiedDevice } from '../ethtool/device-features.ts'
import { ETHTOOL, MONITOR } from '../ethtool/message.ts'
import { familyGroups, familyId } from '../genetlink/controller.ts'
import { decodeNetdevDevice, listNetdevDevices, type NetdevDevice } from '../netdev/device.ts'
import { NETDEV, NETDEV_MCGRP, NETDEV_NTF } from '../netdev/message.ts'
import { listAllNapi, listNapi, type Napi } from '../netdev/napi.ts'
import { decodePagePool, listPagePools, type PagePool } from '../netdev/page-pool.ts'
import { NetlinkError } from '../wire/errors.ts'
import { NETLINK_GENERIC } from '../wire/netlink.ts'
import { ask, type Operation } from '../wire/operation.ts'
import { deviceFeed, type Where } from './device-feed.ts'
import { changedFields } from './fields.ts'
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
  | { readonly type: 'added'; readonly kind: Kind; readonly object: Thing }
  | {
      readonly type: 'changed'
      readonly kind: Kind
      /** As it is now, and as the last event about it had it. */
      readonly object: Thing
      readonly old: Thing
      readonly fields: readonly (keyof Thing & string)[]
    }
  /** object: as the last event about it had it. */
  | { readonly type: 'removed'; readonly kind: Kind; readonly object: Thing }

export type NetdevEvent =
  | { [Kind in keyof NetdevObjects]: Told<Kind, NetdevObjects[Kind]> }[keyof NetdevObjects]
  /** Messages of the kernel's were lost, so many times; what they said follows as ordinary events. */
  | { readonly type: 'resync'; readonly losses: number }

interface Known {
  readonly kind: keyof NetdevObjects
  readonly object: NetdevObjects[keyof NetdevObjects]
}

/**
 * The devices, NAPI instances and page pools of a namespace. The kernel has no message about NAPI (netdev.yaml, up to 7.1):
 * a device's instances are asked for whenever rtnetlink or ethtool tells that something about it has changed. Both do so
 * after the change. What is set by `napi-set`, or in sysfs, is not told.
 */
export class WatchedNetdev implements Watched<Known, NetdevEvent> {
  #where: Where
  /** Linux 6.8, which has NAPI instances and page pools in the family. */
  #hasNapi = false

  constructor(where: Where) {
    this.#where = where
  }

  *feeds(): Operation<Feed<Known, NetdevEvent>[]> {
    const netns = yield* ask<'identify'>({ kind: 'identify', netns: this.#where.netns })
    this.#where = { ...this.#where, netns }
    const netdev = yield* familyId(NETDEV)
    const mgmt = yield* familyGroups(NETDEV, [NETDEV_MCGRP.MGMT])
    const pagePool = yield* familyGroups(NETDEV, [NETDEV_MCGRP.PAGE_POOL])
    this.#hasNapi = pagePool.length > 0
    if (!this.#hasNapi) return [this.#netdevFeed(netdev, mgmt)]
    const monitor = yield* familyGroups(ETHTOOL, [MONITOR])
    const ethtool = yield* familyId(ETHTOOL)
    return [
      this.#netdevFeed(netdev, [...mgmt, ...pagePool]),
      this.#ethtoolFeed(ethtool, monitor),
      deviceFeed(this.#where, {
        is: (table, index) => table.ask(napiPart(index)),
        gone: (table, index) => table.removePart(napiPart(index)),
      }),
    ]
  }

  *list(parts: readonly string[]): Operation<[string, Known][]> {
    const all: [string, Known][] = []
    for (const part of parts) all.push(...(yield* this.#listPart(part)))
    return all
  }

  *#listPart(part: string): Operation<[string, Known][]> {
    const { netns } = this.#where
    if (part !== '') {
      const device = Number(part.slice(NAPI.length))
      return (yield* orNone(listNapi({ netns, device }))).map(napiEntry)
    }
    const devices = (yield* listNetdevDevices(netns)).map(deviceEntry)
    if (!this.#hasNapi) return devices
    const napi = (yield* orNone(listAllNapi(netns))).map(napiEntry)
    const pagePools = (yield* orNone(listPagePools(netns))).map(pagePoolEntry)
    return [...devices, ...napi, ...pagePools]
  }

  describe(before: Known | null, after: Known | null): NetdevEvent | null {
    if (after === null) return before && eventOf('removed', before)
    if (before === null) return eventOf('added', after)
    const fields = changedFields(before.object, after.object)
    return fields.length === 0 ? null : eventOf('changed', after, { old: before.object, fields })
  }

  resync(losses: number): NetdevEvent {
    return { type: 'resync', losses }
  }

  /** They come by one socket, so in order, and say all of their object. */
  #netdevFeed(family: number, groups: readonly number[]): Feed<Known, NetdevEvent> {
    return {
      groups: { ...this.#where, protocol: NETLINK_GENERIC, groups },
      hear(table, view, at, end, type) {
        if (type !== family) return
        switch (view.getUint8(at)) {
          case NETDEV_NTF.DEV_ADD_NTF:
          case NETDEV_NTF.DEV_CHANGE_NTF:
            table.put(...deviceEntry(decodeNetdevDevice(view, at, end, type)))
            break
          case NETDEV_NTF.DEV_DEL_NTF:
            table.remove(deviceEntry(decodeNetdevDevice(view, at, end, type))[0])
            break
          case NETDEV_NTF.PAGE_POOL_ADD_NTF:
          case NETDEV_NTF.PAGE_POOL_CHANGE_NTF:
            table.put(...pagePoolEntry(decodePagePool(view, at, end, type)))
            break
          case NETDEV_NTF.PAGE_POOL_DEL_NTF:
            table.remove(pagePoolEntry(decodePagePool(view, at, end, type))[0])
        }
      },
    }
  }

  /** Of whatever ethtool tells of a device. */
  #ethtoolFeed(family: number, groups: readonly number[]): Feed<Known, NetdevEvent> {
    return {
      groups: { ...this.#where, protocol: NETLINK_GENERIC, groups },
      hear(table, view, at, end, type) {
        const index = type === family ? notifiedDevice(view, at, end, type) : null
        if (index !== null) table.ask(napiPart(index))
      },
    }
  }
}

/** Which object a message or a list is about, and the object. */
type Entry = [key: string, known: Known]

function deviceEntry(object: NetdevDevice): Entry {
  return [`device ${object.index}`, { kind: 'device', object }]
}

const NAPI = 'napi '

function napiEntry(object: Napi): Entry {
  return [`${napiPart(object.index)}${object.id}`, { kind: 'napi', object }]
}

/** The part of the table with a device's NAPI instances. */
function napiPart(index: number): string {
  return `${NAPI}${index} `
}

function pagePoolEntry(object: PagePool): Entry {
  return [`page-pool ${object.id}`, { kind: 'page-pool', object }]
}

function eventOf(type: NetdevEvent['type'], known: Known, more = {}): NetdevEvent {
  return { type, ...known, ...more } as NetdevEvent
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
