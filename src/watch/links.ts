import { decodeLinkNotification } from '../rtnetlink/link-notification.ts'
import { decodeNetnsId } from '../rtnetlink/netns-id.ts'
import { RTM, RTNLGRP } from '../rtnetlink/numbers.ts'
import { DecodeError } from '../wire/errors.ts'
import { NETLINK_ROUTE } from '../wire/netlink.ts'
import { type Netns, OWN_NETNS } from '../wire/netns.ts'
import type { Operation } from '../wire/operation.ts'
import { isUnfinished, type LinkEvent, type LinkSeen, linkEvent } from './link-event.ts'
import { LinkList } from './link-list.ts'
import { isPlace, netnsIdOf, type Place, Places, partOf } from './places.ts'
import type { Table } from './table.ts'
import type { Feed, Watched } from './watch.ts'

type LinkTable = Table<LinkSeen, LinkEvent>

/** A part without devices: to list it is to look for namespaces. */
const NAMESPACES = 'namespaces'
/** Milliseconds from one look to the next. */
const LOOK_EVERY = 1000

/**
 * The devices of namespaces. All are heard, and asked for, from this program's own namespace, by the ids that it has for
 * the others: so no socket stays in another one, where it would keep that alive (LinkList opens one for a moment, where a
 * namespace has no id yet for the one that a device of its leads to).
 */
export class WatchedLinks implements Watched<LinkSeen, LinkEvent> {
  readonly again: Watched<LinkSeen, LinkEvent>['again']
  readonly #places: Places
  readonly #asPeers = new Set<string>()
  readonly #receiveBuffer: number | undefined

  constructor(wanted: readonly Netns[] | 'all', receiveBuffer: number | undefined) {
    this.#places = new Places(wanted)
    this.#receiveBuffer = receiveBuffer
    this.again = wanted === 'all' ? { part: NAMESPACES, milliseconds: LOOK_EVERY } : undefined
  }

  *feeds(): Operation<Feed<LinkSeen, LinkEvent>[]> {
    yield* this.#places.begin()
    const allNsid = this.#places.areElsewhere
    const groups = {
      netns: OWN_NETNS,
      protocol: NETLINK_ROUTE,
      groups: allNsid ? [RTNLGRP.LINK, RTNLGRP.NSID] : [RTNLGRP.LINK],
      receiveBuffer: this.#receiveBuffer,
      allNsid,
    }
    return [{ groups, hear: (table, ...message) => this.#hear(table, ...message) }]
  }

  #hear(table: LinkTable, view: DataView, at: number, end: number, type: number, nsid: number | null): void {
    const places = this.#places
    if (places.isStrange(nsid)) {
      table.ask(partOf(nsid))
    } else if (type === RTM.NEWNSID || type === RTM.DELNSID) {
      // Ids of other namespaces' own are no matter of ours.
      const id = places.isOwn(nsid) ? decodeNetnsId(view, at, end) : null
      if (id !== null) this.#hearId(table, type, id)
    } else {
      const place = places.find(nsid)
      const gone = place === null ? null : hearLink(table, place, view, at, end, type)
      if (gone !== null) this.#asPeers.delete(gone)
    }
  }

  /**
   * A namespace that ends sends no RTM_DELLINK. Its id is free before RTM_DELNSID says so (unhash_nsid()): it may already
   * stand for another one.
   */
  #hearId(table: LinkTable, type: number, id: number): void {
    if (type === RTM.DELNSID) {
      this.#places.forget(id)
      table.removePart(partOf(id))
      for (const key of this.#asPeers) if (key.startsWith(partOf(id))) this.#asPeers.delete(key)
    }
    if (this.#places.wantsAll) table.ask(partOf(id))
  }

  *list(parts: readonly string[], table: LinkTable): Operation<Map<string, LinkSeen>> {
    const list = new LinkList(this.#places, table, this.#asPeers)
    const devices: string[] = []
    for (const part of parts) {
      if (part === '') yield* this.#listAll(list)
      else if (part === NAMESPACES) for (const id of yield* this.#places.look()) table.ask(partOf(id))
      else if (isPlace(part)) yield* this.#listPlace(part, list)
      else devices.push(part)
    }
    yield* list.addDevices(devices)
    return list.fresh
  }

  *#listAll(list: LinkList): Operation<void> {
    yield* this.#places.reconsider()
    for (const place of this.#places.all) yield* list.addPlace(place)
  }

  *#listPlace(part: string, list: LinkList): Operation<void> {
    const id = netnsIdOf(part)
    const place = this.#places.isStrange(id) ? yield* this.#places.meet(id) : this.#places.find(id)
    if (place !== null) yield* list.addPlace(place)
  }

  isOver(): boolean {
    return this.#places.all.length === 0
  }

  describe(before: LinkSeen | null, after: LinkSeen | null): LinkEvent | null {
    return linkEvent(before, after)
  }

  /** A device stays of the kind that it was made as. */
  isAnother(before: LinkSeen, after: LinkSeen): boolean {
    return before.place !== after.place || before.link.kind !== after.link.kind
  }

  resync(losses: number): LinkEvent {
    return { type: 'resync', losses }
  }
}

/**
 * A message has the state when it was made, and that may be in the midst of a change: each device that one is about is
 * asked for once more when it is quiet. Returns the key of one that is gone.
 */
function hearLink(
  table: LinkTable,
  place: Place,
  view: DataView,
  at: number,
  end: number,
  type: number,
): string | null {
  const said = notification(view, at, end, type)
  if (said === null) {
    table.askLater(place.part)
    return null
  }
  const key = place.key(said.says === 'is' ? said.link.index : said.index)
  if (said.says === 'gone') {
    table.remove(key)
    return key
  }
  if (said.says === 'is') {
    table.put(key, { place, link: said.link })
    if (isUnfinished(said.link)) table.ask(key)
    else table.askLater(key)
  } else if (table.get(key) !== undefined) {
    table.askLater(key)
  }
  return null
}

/** null: it cannot be read. */
function notification(view: DataView, at: number, end: number, type: number) {
  try {
    return decodeLinkNotification(view, at, end, type)
  } catch (error) {
    if (error instanceof DecodeError) return null
    throw error
  }
}
