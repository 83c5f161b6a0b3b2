import { attributePath, missingPath } from './attribute-path.ts'
import { DecodeError, InterruptedDumpError, NetlinkError, Refusal } from './errors.ts'
import type { Message } from './message.ts'
import {
  type Answers,
  type Ask,
  type Failed,
  type NetlinkAsk,
  type Operation,
  type Sink,
  settled,
} from './operation.ts'

/** Reads one object out of view[at, end): the payload of one message of the given nlmsg_type. */
export type Decode<T> = (view: DataView, at: number, end: number, type: number) => T

/**
 * A read with the decoder of its answer. It can be put again and again, alone or together with others, by one operation
 * at a time: asked anew each time, only its bytes stay the same.
 */
export interface Question<T> {
  readonly ask: NetlinkAsk
  /** Forgets what the last answer held. */
  begin(): void
  /** What the answer holds. @throws NetlinkError for a refusal. */
  take(answer: Answers['netlink'] | Failed): T
}

/** A question for one object. */
export class ObjectQuestion<T> implements Question<T> {
  readonly ask: NetlinkAsk
  readonly #message: Message
  #found: T | undefined = undefined

  constructor(message: Message, decode: Decode<T>) {
    this.#message = message
    this.ask = askOf(message, (view, at, end, type) => {
      this.#found = decode(view, at, end, type)
    })
  }

  begin(): void {
    this.#found = undefined
  }

  take(answer: Answers['netlink'] | Failed): T {
    if ('failed' in answer) throw explained(answer.failed, this.#message)
    const found = this.#found
    if (found === undefined)
      throw new DecodeError(`no object in the answer to ${this.#message.subject.message}`, 0)
    return found
  }
}

/** How many objects a dump has (the message carries NLM_F_DUMP). @throws InterruptedDumpError when they changed. */
export class CountQuestion implements Question<number> {
  readonly ask: NetlinkAsk
  readonly #message: Message
  #count = 0

  constructor(message: Message) {
    this.#message = message
    this.ask = askOf(message, () => {
      this.#count++
    })
  }

  begin(): void {
    this.#count = 0
  }

  take(answer: Answers['netlink'] | Failed): number {
    if ('failed' in answer) throw explained(answer.failed, this.#message)
    if (answer.interrupted) throw new InterruptedDumpError(this.#message.subject.message, 1, [])
    return this.#count
  }
}

export function* put<T>(question: Question<T>): Operation<T> {
  question.begin()
  return question.take((yield question.ask) as Answers['netlink'] | Failed)
}

/** Questions of which none needs another's answer, to be put at once: what is laid out for that serves again each time. */
export class Bundle {
  readonly #questions: readonly Question<unknown>[]
  readonly #ask: Extract<Ask, { kind: 'together' }>

  constructor(questions: readonly Question<unknown>[]) {
    this.#questions = questions
    this.#ask = { kind: 'together', questions: questions.map(({ ask }) => ask) }
  }

  /** To be yielded. */
  begin(): Ask {
    for (const question of this.#questions) question.begin()
    return this.#ask
  }
}

/** The answers are in the questions' order, each for its take(): what one is refused is no matter of the others'. */
export function* together(bundle: Bundle): Operation<Answers['together']> {
  return settled((yield bundle.begin()) as Answers['together'] | Failed)
}

/** A question that is put again and again. */
interface Standing<T> {
  readonly question: Question<T>
  readonly bundle: Bundle
  /** Under way: who asks meanwhile asks by another. */
  isBusy: boolean
}

/** Questions as they were put before, by what they are about: where the same is asked again it is not written anew. */
export class Repeated<T> {
  readonly #known = new WeakMap<object, Standing<T>>();

  *put(about: object, make: () => Question<T>): Operation<T> {
    const standing = this.#idle(about, make)
    standing.isBusy = true
    try {
      const [answer] = settled((yield standing.bundle.begin()) as Answers['together'] | Failed)
      return standing.question.take(answer!)
    } finally {
      standing.isBusy = false
    }
  }

  #idle(about: object, make: () => Question<T>): Standing<T> {
    const known = this.#known.get(about)
    if (known?.isBusy === false) return known
    const question = make()
    const standing = { question, bundle: new Bundle([question]), isBusy: false }
    if (known === undefined) this.#known.set(about, standing)
    return standing
  }
}

export function askOf(message: Message, each: Sink): NetlinkAsk {
  const { protocol, descriptors, subject } = message
  const { netns, writes } = subject
  return { kind: 'netlink', netns, protocol, bytes: message.finish(), descriptors, writes, each }
}

/** A refusal, in the names of the request. */
export function explained(error: Error, message: Message): Error {
  if (!(error instanceof Refusal)) return error
  const { offset, missing, missingIn, message: words } = error.ack
  const path =
    missing !== null
      ? missingPath(message, missing, missingIn)
      : offset !== null
        ? attributePath(message, offset)
        : ''
  return new NetlinkError(error.errno, message.subject, words, path)
}
