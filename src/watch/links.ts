import { decodeLinkNotification } from '../rtnetlink/link-notification.ts'
import { DecodeError } from '../wire/errors.ts'
import type { Netns } from '../wire/netns.ts'
import type { Operation } from '../wire/operation.ts'
import { isUnfinished, type LinkEvent, type LinkSeen, linkEvent } from './link-event.ts'
import { LinkList } from './link-list.ts'
import { type HearIn, Namespaces } from './namespaces.ts'
import type { Table } from './table.ts'
import type { Feed, Watched } from './watch.ts'

type LinkTable = Table<LinkSeen, LinkEvent>

/**
 * The devices of namespaces. They are asked for as they are heard, from this program's own namespace: so no socket stays in
 * another one, where it would keep that alive (LinkList opens one for a moment, where a namespace has no id yet for the one
 * that a device of its leads to).
 */
export class WatchedLinks implements Watched<LinkSeen, LinkEvent> {
  readonly again: Watched<LinkSeen, LinkEvent>['again']
  readonly #namespaces: Namespaces
  readonly #asPeers = new Set<string>()

  constructor(wanted: readonly Netns[] | 'all', receiveBuffer: number | undefined) {
    this.#namespaces = new Namespaces(wanted, receiveBuffer)
    this.again = this.#namespaces.again
  }

  *feeds(): Operation<Feed<LinkSeen, LinkEvent>[]> {
    yield* this.#namespaces.places.begin()
    const ended = (part: string) => {
      for (const key of this.#asPeers) if (key.startsWith(part)) this.#asPeers.delete(key)
    }
    return [this.#namespaces.linkFeed(this.#hear, ended)]
  }

  /**
   * A message has the state when it was made, and that may be in the midst of a change: each device that one is about is
   * asked for once more when it is quiet.
   */
  readonly #hear: HearIn<LinkSeen, LinkEvent> = (table, place, view, at, end, type) => {
    const said = notification(view, at, end, type)
    if (said === null) {
      table.askLater(place.part)
      return
    }
    const key = place.key(said.says === 'is' ? said.link.index : said.index)
    if (said.says === 'gone') {
      table.remove(key)
      this.#asPeers.delete(key)
    } else if (said.says === 'is') {
      table.put(key, { place, link: said.link })
      if (isUnfinished(said.link)) table.ask(key)
      else table.askLater(key)
    } else if (table.get(key) !== undefined) {
      table.askLater(key)
    }
  }

  list(parts: readonly string[], table: LinkTable): Operation<Iterable<readonly [string, LinkSeen]>> {
    return this.#namespaces.list(parts, table, new LinkList(this.#namespaces.places, table, this.#asPeers))
  }

  isOver(): boolean {
    return this.#namespaces.places.all.length === 0
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

/** null: it cannot be read. */
function notification(view: DataView, at: number, end: number, type: number) {
  try {
    return decodeLinkNotification(view, at, end, type)
  } catch (error) {
    if (error instanceof DecodeError) return null
    throw error
  }
}
