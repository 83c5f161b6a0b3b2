import { listNetnsIds } from '../rtnetlink/netns-id.ts'
import { findNetns, idOf } from '../veth/netns-search.ts'
import { type Netns, OWN_NETNS } from '../wire/netns.ts'
import type { Operation } from '../wire/operation.ts'
import type { LinkPlace } from './link-event.ts'
import { NetnsRoster, netnsIdGiven } from './netns-roster.ts'

/** A namespace whose devices are watched. */
export class Place implements LinkPlace {
  netns: Netns | null
  readonly netnsId: number | null
  /** With what the keys of its devices begin. */
  readonly part: string
  /** By which ids it knows other namespaces, by the ids that they have here. */
  readonly idsThere = new Map<number, number>()

  constructor(netnsId: number | null, netns: Netns | null) {
    this.netnsId = netnsId
    this.netns = netns
    this.part = partOf(netnsId)
  }

  /** No key is how another one begins. */
  key(index: number): string {
    return `${this.part}${index}/`
  }
}

export function partOf(netnsId: number | null): string {
  return `${netnsId ?? ''}/`
}

/** Of a part, or of a device's key. */
export function netnsIdOf(part: string): number | null {
  return part.startsWith('/') ? null : Number.parseInt(part, 10)
}

export function indexOf(key: string): number {
  return Number.parseInt(key.slice(key.indexOf('/') + 1), 10)
}

/** Whether it is all of a namespace, and no device's key. */
export function isPlace(part: string): boolean {
  return part.indexOf('/') === part.length - 1
}

/** Every how many looks for namespaces the threads of all processes are looked at, which takes long. */
const THREADS_EVERY = 10

/** The namespaces that are watched: by their ids here, since that is what messages have. */
export class Places {
  readonly wantsAll: boolean
  readonly #wanted: readonly Netns[]
  readonly #roster = new NetnsRoster()
  readonly #byId = new Map<number | null, Place>()
  /** The id that this namespace has for itself, or null: then its own messages have none. */
  #ownId: number | null = null
  #looks = 0

  constructor(wanted: readonly Netns[] | 'all') {
    this.wantsAll = wanted === 'all'
    this.#wanted = wanted === 'all' ? [OWN_NETNS] : wanted
  }

  get all(): readonly Place[] {
    return [...this.#byId.values()]
  }

  /** Others than this program's own. */
  get areElsewhere(): boolean {
    return this.wantsAll || this.all.some(({ netnsId }) => netnsId !== null)
  }

  get ownId(): number | null {
    return this.#ownId
  }

  /** @throws SystemError or NetlinkError for a namespace that cannot be reached, or has no id and must not be given one. */
  *begin(): Operation<void> {
    for (const netns of this.#wanted) {
      const { id, seen } = yield* this.#roster.enter(netns)
      this.#add(id, seen)
    }
    // The kernel gives it one as soon as a link elsewhere leads here; and then messages from here have it.
    if (this.areElsewhere) this.#ownId = yield* netnsIdGiven(OWN_NETNS)
  }

  /** null: it is not watched. */
  find(netnsId: number | null): Place | null {
    return this.#byId.get(netnsId === this.#ownId ? null : netnsId) ?? null
  }

  /** It is to be watched, and nothing is known of it yet. */
  isStrange(netnsId: number | null): netnsId is number {
    return this.wantsAll && this.find(netnsId) === null
  }

  /** Whether a message comes from the namespace that the listening socket is in. */
  isOwn(netnsId: number | null): boolean {
    return netnsId === null || netnsId === this.#ownId
  }

  /** The id stands for nothing any more. */
  forget(netnsId: number): void {
    this.#byId.delete(netnsId)
    this.#roster.forget(netnsId)
    for (const { idsThere } of this.#byId.values()) idsThere.delete(netnsId)
  }

  *meet(netnsId: number): Operation<Place> {
    for (const held of ['by name', 'by process'] as const) {
      if (this.#roster.at(netnsId) === null) yield* this.#roster.look(held)
    }
    return this.#add(netnsId, this.#roster.at(netnsId))
  }

  /** Looks for namespaces. Returns the ids of those that are not watched yet. */
  *look(): Operation<number[]> {
    yield* this.#roster.look('by name')
    yield* this.#roster.look('by process')
    if (++this.#looks % THREADS_EVERY === 0) yield* this.#roster.look('by thread')
    for (const place of this.#byId.values()) {
      if (place.netnsId !== null) place.netns = this.#roster.at(place.netnsId) ?? place.netns
    }
    return this.#roster.ids.filter(id => this.isStrange(id))
  }

  /** Which there are, whatever may have happened meanwhile. */
  *reconsider(): Operation<void> {
    if (!this.areElsewhere) return
    const ids = new Set(yield* listNetnsIds(OWN_NETNS))
    this.#roster.forgetAll()
    for (const { idsThere } of this.all) idsThere.clear()
    if (this.wantsAll) {
      for (const held of ['by name', 'by process', 'by thread'] as const) yield* this.#roster.look(held)
      for (const id of this.#roster.ids) ids.add(id)
    }
    for (const place of this.all) {
      const { netnsId } = place
      if (netnsId !== null && !(yield* this.#stands(place, netnsId, ids))) this.forget(netnsId)
    }
    for (const id of ids) if (this.isStrange(id)) this.#add(id, this.#roster.at(id))
  }

  /** Whether an id stands for the same namespace as before: one that is free is given anew. */
  *#stands({ netns }: Place, netnsId: number, ids: ReadonlySet<number>): Operation<boolean> {
    if (!ids.has(netnsId)) return false
    const now = this.#roster.at(netnsId)
    if (now !== null) return netns === null || netns.inode === now.inode
    if (netns === null) return true
    const id = yield* idOf(OWN_NETNS, netns)
    if (id !== null) return id === netnsId
    // The way by which it was reached is gone, perhaps with it. Another one that has the id by now has a way of its own.
    const other = yield* findNetns(OWN_NETNS, netnsId)
    return other === null || other.inode === netns.inode
  }

  #add(netnsId: number | null, netns: Netns | null): Place {
    const place = new Place(netnsId, netns)
    this.#byId.set(netnsId, place)
    return place
  }
}
