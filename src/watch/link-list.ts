import type { Link } from '../rtnetlink/link.ts'
import { getLinkState, linkStateQuestion, visitLinkStates } from '../rtnetlink/link-operations.ts'
import { getNetnsIdThrough } from '../rtnetlink/netns-id.ts'
import { isOutOfReach } from '../veth/netns-search.ts'
import { InterruptedDumpError } from '../wire/errors.ts'
import { OWN_NETNS } from '../wire/netns.ts'
import type { Answers, Failed, Operation } from '../wire/operation.ts'
import { Bundle, type Question, together } from '../wire/question.ts'
import type { LinkEvent, LinkSeen } from './link-event.ts'
import type { Listing } from './namespaces.ts'
import { indexOf, netnsIdOf, type Place, type Places } from './places.ts'
import type { Table } from './table.ts'

/** As many answers as one crossing into the kernel brings. */
const AT_ONCE = 32

/** Kinds of links that have ports. */
const MASTERS = ['bridge', 'bond', 'team']

/** NETNSA_NSID_NOT_ASSIGNED, where a namespace does not know the one that its device leads to, and is out of reach. */
const NO_ID = -1

/** Devices as the kernel tells of them when it is asked. */
export class LinkList implements Listing<LinkSeen> {
  readonly fresh = new Map<string, LinkSeen>()
  readonly #places: Places
  readonly #table: Table<LinkSeen, LinkEvent>
  readonly #asPeers: Set<string>

  /** asPeers: keys of devices that are asked for because of their peer, and remembered from one list to the next. */
  constructor(places: Places, table: Table<LinkSeen, LinkEvent>, asPeers: Set<string>) {
    this.#places = places
    this.#table = table
    this.#asPeers = asPeers
  }

  /** All devices of a namespace. One that has ended has none; nor has one among all that may not be asked. */
  *addPlace(place: Place): Operation<void> {
    const links: Link[] = []
    try {
      yield* visitLinkStates(OWN_NETNS, place.netnsId, link => links.push(link))
    } catch (error) {
      if (error instanceof InterruptedDumpError) this.#keepOthers(place, links)
      else if (!this.#goesWithout(place, error)) throw error
    }
    for (const link of links) yield* this.#add(place, link)
  }

  /** Those of these keys that are there. */
  *addParts(keys: readonly string[]): Operation<void> {
    for (let i = 0; i < keys.length; i += AT_ONCE) {
      const devices = keys.slice(i, i + AT_ONCE).flatMap(key => {
        const place = this.#places.find(netnsIdOf(key))
        if (place === null) return []
        return { key, place, question: linkStateQuestion(OWN_NETNS, place.netnsId, indexOf(key)) }
      })
      const answers = yield* together(new Bundle(devices.map(({ question }) => question)))
      for (const [j, { key, place, question }] of devices.entries()) {
        const link = takenOrNull(question, answers[j]!)
        if (link === null) {
          this.#asPeers.delete(key)
          continue
        }
        if (MASTERS.includes(link.kind)) this.#askPorts(place, link)
        yield* this.#add(place, link)
      }
    }
  }

  /** What a bridge tells of itself may be different at its ports, too, of which it tells nothing: IFLA_BRPORT_BRIDGE_ID. */
  #askPorts(place: Place, { index }: Link): void {
    for (const key of this.#table.keys(place.part)) {
      if (this.#table.get(key)?.link.master === index) this.#table.askLater(key)
    }
  }

  /** A list that changed while it was read has what is there, but perhaps not all. What it lacks is asked for alone. */
  #keepOthers(place: Place, links: readonly Link[]): void {
    const listed = new Set(links.map(({ index }) => place.key(index)))
    for (const key of this.#table.keys(place.part)) {
      if (listed.has(key)) continue
      this.fresh.set(key, this.#table.get(key)!)
      this.#table.askLater(key)
    }
    this.#table.askLater(place.part)
  }

  #goesWithout({ netnsId }: Place, error: unknown): boolean {
    if (netnsId === null || !isOutOfReach(error)) return false
    const isRefused = error.code === 'EACCES' || error.code === 'EPERM'
    if (!isRefused) this.#places.forget(netnsId) // there is no such id
    return !isRefused || this.#places.wantsAll
  }

  *#add(place: Place, link: Link): Operation<void> {
    const peerId = link.linkNetnsId
    // Asked from here, the kernel tells by which id this namespace knows the other one.
    if (peerId !== null) link.linkNetnsId = yield* this.#idThere(place, peerId, link.index)
    const key = place.key(link.index)
    this.fresh.set(key, { place, link })
    if (link.kind === 'veth' && !this.#asPeers.delete(key)) yield* this.#checkPeer(place, link, peerId)
  }

  /** When a veth goes to another namespace nothing is said of its peer, which leads there from then on. */
  *#checkPeer(place: Place, link: Link, peerId: number | null): Operation<void> {
    const there = peerId === null ? place : this.#places.find(peerId)
    if (there === null) return
    const key = there.key(link.link)
    const peer = (this.fresh.get(key) ?? this.#table.get(key))?.link
    if (peer?.kind !== 'veth') return
    const here = place.netnsId ?? this.#places.ownId
    const back = peerId === null || here === null ? null : yield* this.#idThere(there, here, peer.index)
    if (peer.link === link.index && peer.linkNetnsId === back) return
    this.#asPeers.add(key)
    this.#table.ask(key)
  }

  /** By which id the namespace of a place knows another one: what the kernel tells there, and what a message has. */
  *#idThere({ netns, netnsId, idsThere }: Place, id: number, index: number): Operation<number> {
    if (netnsId === null) return id
    const known = idsThere.get(id)
    if (known !== undefined) return known
    try {
      let there = yield* getNetnsIdThrough(OWN_NETNS, netnsId, id)
      if (there === null && netns !== null) {
        yield* getLinkState({ netns, device: index }) // to tell it there, the kernel gives one
        there = yield* getNetnsIdThrough(OWN_NETNS, netnsId, id)
      }
      if (there === null) return NO_ID
      idsThere.set(id, there)
      return there
    } catch (error) {
      if (isOutOfReach(error)) return NO_ID // one of them has ended
      throw error
    }
  }
}

function takenOrNull(question: Question<Link>, answer: Answers['netlink'] | Failed): Link | null {
  try {
    return question.take(answer)
  } catch (error) {
    if (isOutOfReach(error)) return null
    throw error
  }
}
