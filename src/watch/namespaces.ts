import type { Groups } from '../kernel/subscription.ts'
import { decodeNetnsId } from '../rtnetlink/netns-id.ts'
import { RTM, RTNLGRP } from '../rtnetlink/numbers.ts'
import { NETLINK_ROUTE } from '../wire/netlink.ts'
import { type Netns, OWN_NETNS } from '../wire/netns.ts'
import type { Operation } from '../wire/operation.ts'
import { isPlace, netnsIdOf, type Place, Places, partOf } from './places.ts'
import type { Table } from './table.ts'
import type { Feed, Watched } from './watch.ts'

/** A part without objects: to list it is to look for namespaces. */
const LOOK = 'namespaces'
/** Milliseconds from one look to the next. */
const LOOK_EVERY = 1000

/** What is listed at one time: the objects by key, each of which begins with the part of its place. */
export interface Listing<V> {
  readonly fresh: Map<string, V>
  /** All of a namespace. */
  addPlace(place: Place): Operation<void>
  /** Those of parts that are less than a namespace. */
  addParts(parts: readonly string[]): Operation<void>
}

/** Reads a message with the payload view[at, end) that comes from a namespace which is watched. */
export type HearIn<V, E> = (
  table: Table<V, E>,
  place: Place,
  view: DataView,
  at: number,
  end: number,
  type: number,
) => void

/** The namespaces of a watch. All are heard from this program's own one, by the ids that it has for the others. */
export class Namespaces {
  readonly places: Places
  /** What a watch has as its own. */
  readonly again: Watched<unknown, unknown>['again']
  readonly #receiveBuffer: number | undefined

  constructor(wanted: readonly Netns[] | 'all', receiveBuffer: number | undefined) {
    this.places = new Places(wanted)
    this.#receiveBuffer = receiveBuffer
    this.again = wanted === 'all' ? { part: LOOK, milliseconds: LOOK_EVERY } : undefined
  }

  /** What the groups of a protocol tell of the namespaces. Once begin() of the places has been asked. */
  feed<V, E>(protocol: number, groups: readonly number[], hear: HearIn<V, E>): Feed<V, E> {
    const { places } = this
    return {
      groups: this.#groups(protocol, groups),
      hear(table, view, at, end, type, nsid) {
        const place = places.find(nsid)
        if (place !== null) hear(table, place, view, at, end, type)
        else if (places.isStrange(nsid)) table.ask(partOf(nsid))
      },
    }
  }

  /** Devices that come, change and go, and namespaces that do. ended: is told the part of one that has. */
  linkFeed<V, E>(hear: HearIn<V, E>, ended: (part: string) => void = () => {}): Feed<V, E> {
    const { places } = this
    const elsewhere = places.areElsewhere ? [RTNLGRP.NSID] : []
    const links = this.feed(NETLINK_ROUTE, [RTNLGRP.LINK, ...elsewhere], hear)
    return {
      groups: links.groups,
      hear: (table, view, at, end, type, nsid) => {
        const isId = type === RTM.NEWNSID || type === RTM.DELNSID
        if (!isId || places.isStrange(nsid)) return links.hear(table, view, at, end, type, nsid)
        // Ids of other namespaces' own are no matter of ours.
        const id = places.isOwn(nsid) ? decodeNetnsId(view, at, end) : null
        if (id === null) return
        if (type === RTM.DELNSID) this.#end(table, id, ended)
        if (places.wantsAll) table.ask(partOf(id))
      },
    }
  }

  /**
   * A namespace that ends sends no RTM_DELLINK. Its id is free before RTM_DELNSID says so (unhash_nsid()): it may already
   * stand for another one.
   */
  #end<V, E>(table: Table<V, E>, id: number, ended: (part: string) => void): void {
    this.places.forget(id)
    table.removePart(partOf(id))
    ended(partOf(id))
  }

  /** Lists parts of the table, as Watched has it. */
  *list<V, E>(
    parts: readonly string[],
    table: Table<V, E>,
    listing: Listing<V>,
  ): Operation<ReadonlyMap<string, V>> {
    const less: string[] = []
    for (const part of parts) {
      if (part === '') yield* this.#listAll(listing)
      else if (part === LOOK) for (const id of yield* this.places.look()) table.ask(partOf(id))
      else if (isPlace(part)) yield* this.#listPlace(part, listing)
      else less.push(part)
    }
    yield* listing.addParts(less)
    return listing.fresh
  }

  *#listAll<V>(listing: Listing<V>): Operation<void> {
    yield* this.places.reconsider()
    for (const place of this.places.all) yield* listing.addPlace(place)
  }

  *#listPlace<V>(part: string, listing: Listing<V>): Operation<void> {
    const id = netnsIdOf(part)
    const place = this.places.isStrange(id) ? yield* this.places.meet(id) : this.places.find(id)
    if (place !== null) yield* listing.addPlace(place)
  }

  #groups(protocol: number, groups: readonly number[]): Groups {
    const [netns, receiveBuffer, allNsid] = [OWN_NETNS, this.#receiveBuffer, this.places.areElsewhere]
    return { netns, protocol, groups, receiveBuffer, allNsid }
  }
}
