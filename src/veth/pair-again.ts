import type { LinkExcerpt } from '../rtnetlink/link-excerpt.ts'
import { linkExcerptQuestion } from '../rtnetlink/link-operations.ts'
import { netnsIdQuestion } from '../rtnetlink/netns-id.ts'
import type { DeviceRef, IndexRef } from '../wire/device-ref.ts'
import { InterruptedDumpError, SystemError } from '../wire/errors.ts'
import type { Netns } from '../wire/netns.ts'
import { type Answers, type Failed, type Operation, settled } from '../wire/operation.ts'
import { Bundle, type Question } from '../wire/question.ts'
import { getVethPair, refOf, type VethEnd } from './peer.ts'

/** A question, and where it is among those that are put together. */
export class Asked<T> {
  readonly #question: Question<T>
  readonly #at: number

  constructor(question: Question<T>, all: Question<unknown>[]) {
    this.#question = question
    this.#at = all.push(question) - 1
  }

  take(answers: Answers['together']): T {
    return this.#question.take(answers[this.#at]!)
  }
}

/** Both ends' links, as they are now. */
export interface PairLinks {
  readonly target: LinkExcerpt
  readonly peer: LinkExcerpt
}

/**
 * Asks for both links of a pair that is known. Which device the target is, and where its peer, are guesses until the
 * answers agree with them.
 */
export class PairQuestions {
  readonly netns: Netns
  readonly peerNetns: Netns
  readonly #index: number
  readonly #target: Asked<LinkExcerpt>
  /** null: both are in the same namespace. */
  readonly #netnsId: Asked<number | null> | null
  /** It is asked by the peer's namespace, for the target's. */
  readonly #asksThere: boolean
  readonly #peer: Asked<LinkExcerpt>

  /** all: to which the questions are added. */
  constructor(ref: DeviceRef, target: VethEnd, peer: VethEnd, all: Question<unknown>[]) {
    this.netns = ref.netns
    this.peerNetns = peer.netns
    this.#index = target.link.index
    this.#target = new Asked(linkExcerptQuestion(ref), all)
    const [idHere, idThere] = [target.link.linkNetnsId, peer.link.linkNetnsId]
    // The kernel goes through a namespace's ids one by one (__peernet2id()), and a host's may be hundreds.
    this.#asksThere = idHere !== null && idThere !== null && idThere < idHere
    const [by, of] = this.#asksThere ? [peer.netns, ref.netns] : [ref.netns, peer.netns]
    this.#netnsId = idHere === null ? null : new Asked(netnsIdQuestion(by, of), all)
    this.#peer = new Asked(linkExcerptQuestion(refOf(peer)), all)
  }

  /** null where they are no longer a pair, there. @throws what one of the questions is refused with. */
  agreed(answers: Answers['together']): PairLinks | null {
    const target = this.#target.take(answers)
    if (target.kind !== 'veth' || target.index !== this.#index) return null
    const peer = this.#peer.take(answers)
    if (peer.kind !== 'veth' || peer.index !== target.link || peer.link !== this.#index) return null
    // An index counts in the namespace that has this id, and in no other. That one end's is the other is enough.
    const id = this.#netnsId === null ? null : this.#netnsId.take(answers)
    if (id !== (this.#asksThere ? peer : target).linkNetnsId) return null
    return { target, peer }
  }
}

/** How many devices' questions are remembered, of some 7 KB for a peer and 15 for a verdict. */
export const MOST_REMEMBERED = 4096

/**
 * What was asked about devices the last time: questions, never an answer. One kernel's, for one purpose. Who goes where there
 * are too many is left to chance: of those put longest ago each would go just before its turn comes again.
 */
export class Remembered<Q> {
  /** undefined: they are taken. */
  readonly #byDevice = new Map<string, Q | undefined>()
  /** Of all that are in there. */
  readonly #keys: string[] = []

  static of<Q>(memory: Answers['memory'], purpose: string): Remembered<Q> {
    const known = (memory.get(purpose) as Remembered<Q> | undefined) ?? new Remembered<Q>()
    memory.set(purpose, known)
    return known
  }

  /** To be kept again afterwards: nobody else puts them meanwhile. */
  take(ref: DeviceRef): Q | undefined {
    const key = keyOf(ref)
    const questions = this.#byDevice.get(key)
    if (questions !== undefined) this.#byDevice.set(key, undefined)
    return questions
  }

  keep(ref: DeviceRef, questions: Q): void {
    const key = keyOf(ref)
    if (!this.#byDevice.has(key)) this.#makePlace(key)
    this.#byDevice.set(key, questions)
  }

  #makePlace(key: string): void {
    if (this.#keys.length < MOST_REMEMBERED) {
      this.#keys.push(key)
      return
    }
    const chosen = Math.floor(Math.random() * MOST_REMEMBERED)
    this.#byDevice.delete(this.#keys[chosen]!)
    this.#keys[chosen] = key
  }
}
export const MEMORY = { kind: 'memory' } as const

/** A name has no '/', so an index is told apart. Made once for each handle: it asks by the same reference each time. */
function keyOf(ref: DeviceRef): string {
  const known = keys.get(ref)
  if (known !== undefined) return known
  const { netns, device } = ref
  const key = `${typeof device === 'number' ? '/' : ''}${device} ${netns.inode} ${netns.path}`
  keys.set(ref, key)
  return key
}
const keys = new WeakMap<DeviceRef, string>()

/** null where these were no longer the right questions: an answer that says so, or a refusal. */
export function agreedOrNull<T>(agreed: () => T | null): T | null {
  try {
    return agreed()
  } catch (error) {
    if (error instanceof SystemError || error instanceof InterruptedDumpError) return null
    throw error
  }
}

interface PeerQuestions {
  readonly bundle: Bundle
  readonly pair: PairQuestions
}

/** Where a veth's peer is: asked as the last time, if that is still what to ask. @throws as getVethPair() does. */
export function* getVethPeer(ref: DeviceRef): Operation<IndexRef> {
  const memory = settled((yield MEMORY) as Answers['memory'] | Failed)
  const remembered = Remembered.of<PeerQuestions>(memory, 'questions for a peer')
  const asked = remembered.take(ref)
  if (asked !== undefined) {
    const { bundle, pair } = asked
    const answers = (yield bundle.begin()) as Answers['together'] | Failed
    const links = agreedOrNull(() => pair.agreed(settled(answers)))
    if (links !== null) {
      remembered.keep(ref, asked)
      return refOf({ netns: pair.peerNetns, link: links.peer })
    }
  }
  const { target, peer } = yield* getVethPair(ref)
  const all: Question<unknown>[] = []
  const pair = new PairQuestions(ref, target, peer, all)
  remembered.keep(ref, { pair, bundle: new Bundle(all) })
  return refOf(peer)
}
