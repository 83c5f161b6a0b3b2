import {
  changedFeatures,
  type DeviceBits,
  getDeviceBits,
  listDeviceBits,
  notifiedDevice,
} from '../ethtool/device-features.ts'
import { byName, type Features } from '../ethtool/features.ts'
import { ETHTOOL, ETHTOOL_NTF, MONITOR } from '../ethtool/message.ts'
import { familyGroups, familyId } from '../genetlink/controller.ts'
import { NetlinkError } from '../wire/errors.ts'
import { NETLINK_GENERIC } from '../wire/netlink.ts'
import type { Netns } from '../wire/netns.ts'
import type { Operation } from '../wire/operation.ts'
import { hearDevices } from './device-messages.ts'
import { inside } from './inside-netns.ts'
import { type Listing, Namespaces } from './namespaces.ts'
import { indexOf, netnsIdOf, type Place, type Places } from './places.ts'
import type { Table } from './table.ts'
import type { Feed, Watched } from './watch.ts'

/** A device's features, by name as getFeatures() has them. */
export interface DeviceFeatures {
  /** How its namespace was reached at that time. */
  readonly netns: Netns | null
  /** Its namespace's id in the one that this program runs in; null for that one itself. */
  readonly netnsId: number | null
  readonly index: number
  readonly name: string
  readonly features: Features
}

/** What has become of a device's features since the last event about it. */
export type FeaturesEvent =
  | { readonly type: 'added'; readonly device: DeviceFeatures }
  | {
      readonly type: 'changed'
      /** As it is now, and as the last event about it had it. */
      readonly device: DeviceFeatures
      readonly old: DeviceFeatures
      /** The kernel's names of the features that are otherwise now; and 'name' for a device with another name. */
      readonly fields: readonly string[]
    }
  /** device: as the last event about it had it. */
  | { readonly type: 'removed'; readonly device: DeviceFeatures }
  /** Messages of the kernel's were lost, so many times; what they said follows as ordinary events. */
  | { readonly type: 'resync'; readonly losses: number }

/** A device as it was asked for. */
interface DeviceSeen {
  readonly place: Place
  readonly device: DeviceBits
}

/**
 * The features of the devices of namespaces. Messages say only when to ask: those of ethtool's and of rtnetlink's come by
 * two sockets, so which of them is older is not known.
 *
 * The kernel tells when what is active changes. A wish that has no effect it keeps to itself (net/ethtool/features.c).
 */
export class WatchedFeatures implements Watched<DeviceSeen, FeaturesEvent> {
  readonly again: Watched<DeviceSeen, FeaturesEvent>['again']
  readonly #namespaces: Namespaces

  constructor(wanted: readonly Netns[] | 'all', receiveBuffer?: number) {
    this.#namespaces = new Namespaces(wanted, receiveBuffer)
    this.again = this.#namespaces.again
  }

  *feeds(): Operation<Feed<DeviceSeen, FeaturesEvent>[]> {
    yield* this.#namespaces.places.begin()
    const family = yield* familyId(ETHTOOL)
    const groups = yield* familyGroups(ETHTOOL, [MONITOR])
    return [
      this.#namespaces.feed(NETLINK_GENERIC, groups, (table, place, view, at, end, type) => {
        if (type !== family || view.getUint8(at) !== ETHTOOL_NTF.FEATURES_NTF) return
        const index = notifiedDevice(view, at, end, type)
        if (index !== null) table.ask(place.key(index))
      }),
      this.#namespaces.linkFeed(
        hearDevices({
          is(table, place, index, name) {
            if (table.get(place.key(index))?.device.name !== name) table.ask(place.key(index))
          },
          gone: (table, place, index) => table.removePart(place.key(index)),
        }),
      ),
    ]
  }

  list(
    parts: readonly string[],
    table: Table<DeviceSeen, FeaturesEvent>,
  ): Operation<ReadonlyMap<string, DeviceSeen>> {
    return this.#namespaces.list(parts, table, new FeatureList(this.#namespaces.places))
  }

  isOver(): boolean {
    return this.#namespaces.places.all.length === 0
  }

  describe(before: DeviceSeen | null, after: DeviceSeen | null): FeaturesEvent | null {
    if (after === null) return before && { type: 'removed', device: asTold(before) }
    if (before === null) return { type: 'added', device: asTold(after) }
    const fields = changedFeatures(before.device.bits, after.device.bits)
    if (before.device.name !== after.device.name) fields.push('name')
    if (fields.length === 0) return null
    return { type: 'changed', device: asTold(after), old: asTold(before), fields }
  }

  isAnother(before: DeviceSeen, after: DeviceSeen): boolean {
    return before.place !== after.place
  }

  resync(losses: number): FeaturesEvent {
    return { type: 'resync', losses }
  }
}

function asTold({ place: { netns, netnsId }, device: { index, name, bits } }: DeviceSeen): DeviceFeatures {
  return { netns, netnsId, index, name, features: byName(bits) }
}

/** Devices as ethtool tells of them when it is asked. */
class FeatureList implements Listing<DeviceSeen> {
  readonly fresh = new Map<string, DeviceSeen>()
  readonly #places: Places

  constructor(places: Places) {
    this.#places = places
  }

  *addPlace(place: Place): Operation<void> {
    this.#add(place, yield* inside(place, listDeviceBits))
  }

  /** Keys of devices. */
  *addParts(keys: readonly string[]): Operation<void> {
    for (const key of keys) {
      const place = this.#places.find(netnsIdOf(key))
      if (place !== null) this.#add(place, yield* inside(place, netns => oneOrNone(netns, indexOf(key))))
    }
  }

  #add(place: Place, devices: readonly DeviceBits[]): void {
    for (const device of devices) this.fresh.set(place.key(device.index), { place, device })
  }
}

/** A device that is gone meanwhile has none. */
function* oneOrNone(netns: Netns, device: number): Operation<DeviceBits[]> {
  try {
    return [yield* getDeviceBits({ netns, device })]
  } catch (error) {
    if (error instanceof NetlinkError && error.code === 'ENODEV') return []
    throw error
  }
}
