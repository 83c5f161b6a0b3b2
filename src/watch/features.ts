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
import { ask, type Operation } from '../wire/operation.ts'
import { deviceFeed, type Where } from './device-feed.ts'
import type { Feed, Watched } from './watch.ts'

/** A device's features, by name as getFeatures() has them. */
export interface DeviceFeatures {
  readonly netns: Netns
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

/**
 * The features of the devices of a namespace. Messages say only when to ask: those of ethtool's and of rtnetlink's come by
 * two sockets, so which of them is older is not known.
 *
 * The kernel tells when what is active changes. A wish that has no effect it keeps to itself (net/ethtool/features.c).
 */
export class WatchedFeatures implements Watched<DeviceBits, FeaturesEvent> {
  #where: Where

  constructor(where: Where) {
    this.#where = where
  }

  *feeds(): Operation<Feed<DeviceBits, FeaturesEvent>[]> {
    const netns = yield* ask<'identify'>({ kind: 'identify', netns: this.#where.netns })
    this.#where = { ...this.#where, netns }
    const family = yield* familyId(ETHTOOL)
    const groups = yield* familyGroups(ETHTOOL, [MONITOR])
    return [
      {
        groups: { ...this.#where, protocol: NETLINK_GENERIC, groups },
        hear(table, view, at, end, type) {
          if (type !== family || view.getUint8(at) !== ETHTOOL_NTF.FEATURES_NTF) return
          const index = notifiedDevice(view, at, end, type)
          if (index !== null) table.ask(keyOf(index))
        },
      },
      deviceFeed(this.#where, {
        is(table, index, name) {
          if (table.get(keyOf(index))?.name !== name) table.ask(keyOf(index))
        },
        gone: (table, index) => table.removePart(keyOf(index)),
      }),
    ]
  }

  *list(parts: readonly string[]): Operation<[string, DeviceBits][]> {
    const all: [string, DeviceBits][] = []
    for (const part of parts) all.push(...(yield* this.#listPart(part)))
    return all
  }

  *#listPart(part: string): Operation<[string, DeviceBits][]> {
    const { netns } = this.#where
    const list =
      part === '' ? yield* listDeviceBits(netns) : yield* oneOrNone(netns, Number.parseInt(part, 10))
    return list.map(device => [keyOf(device.index), device])
  }

  describe(before: DeviceBits | null, after: DeviceBits | null): FeaturesEvent | null {
    if (after === null) return before && { type: 'removed', device: this.#asTold(before) }
    if (before === null) return { type: 'added', device: this.#asTold(after) }
    const fields = changedFeatures(before.bits, after.bits)
    if (before.name !== after.name) fields.push('name')
    if (fields.length === 0) return null
    return { type: 'changed', device: this.#asTold(after), old: this.#asTold(before), fields }
  }

  resync(losses: number): FeaturesEvent {
    return { type: 'resync', losses }
  }

  #asTold({ index, name, bits }: DeviceBits): DeviceFeatures {
    return { netns: this.#where.netns, index, name, features: byName(bits) }
  }
}

/** Both the key of a device and a part of the table of its own. */
function keyOf(index: number): string {
  return `${index} `
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
