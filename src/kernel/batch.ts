import { align4, LITTLE_ENDIAN, NLMSG_HDRLEN } from '../wire/netlink.ts'
import { type Netns, ownDescriptor } from '../wire/netns.ts'
import type { Answers, Failed, NetlinkAsk } from '../wire/operation.ts'
import { Conversation } from './conversation.ts'
import { firstOfSequences, type ReceiveBuffer } from './netlink.ts'
import { currentInode, openNetnsForMessage } from './netns-files.ts'
import { closeSync } from './node.ts'
import type { Shim } from './shim.ts'
import type { Socket, Sockets } from './sockets.ts'

/** What exchangeTogether() wants to know of each socket. */
const SEND_WORDS = 7
/** -1 as a word: no descriptor to look at. */
const NONE = 0xffffffff

/** An answer; null where the question is to be put alone. */
export type Heard = Answers['netlink'] | Failed | null

/** Questions that follow each other for one namespace and protocol: they share a socket and a datagram. */
interface Run {
  readonly place: Place
  readonly protocol: number
  readonly from: number
  readonly to: number
  /** While they are put. */
  socket: Socket | null
}

/** One of the namespaces. */
interface Place {
  readonly netns: Netns
  /** A descriptor of ours, which the shim looks at when everything is sent; null: its path is looked up before. */
  readonly own: number | null
  inode: number
}

/** Where a descriptor goes that is opened each time. */
interface Hole {
  readonly at: number
  readonly of: Netns
}

/**
 * Several reads in one crossing into the shim, laid out once to be put again and again, one time after the other. What
 * does not come through (a socket closed meanwhile, a datagram too long, a long dump) is the caller's to put alone: here
 * nothing waits, and nothing is tried twice.
 */
export class Batch {
  readonly requests: Uint8Array
  /** What exchangeTogether() wants to know of each socket. */
  readonly sends: Uint32Array
  readonly count: number
  readonly #shim: Shim
  readonly #sockets: Sockets
  readonly #view: DataView
  readonly #conversations: Conversation[] = []
  /** Where each question is among the requests; behind them, where they end. */
  readonly #offsets = [0]
  readonly #runs: Run[] = []
  readonly #places: Place[] = []
  readonly #holes: Hole[] = []
  readonly #opened: number[] = []
  /** What is heard nearly always. */
  readonly #whole: readonly Heard[]

  constructor(questions: readonly NetlinkAsk[], shim: Shim, sockets: Sockets) {
    this.#shim = shim
    this.#sockets = sockets
    for (const { bytes } of questions) this.#offsets.push(this.#offsets.at(-1)! + align4(bytes.length))
    this.requests = new Uint8Array(this.#offsets.at(-1)!)
    this.#view = new DataView(this.requests.buffer)
    for (let i = 0; i < questions.length; ) i = this.#layRun(questions, i)
    for (const [i, question] of questions.entries()) this.#layQuestion(question, this.#offsets[i]!)
    this.count = this.#runs.length
    this.#whole = questions.map(() => WHOLE)
    this.sends = new Uint32Array(SEND_WORDS * this.count)
    for (const [i, run] of this.#runs.entries()) this.#laySend(run, SEND_WORDS * i)
  }

  /** Returns where it ends. */
  #layRun(questions: readonly NetlinkAsk[], from: number): number {
    const { netns, protocol } = questions[from]!
    let to = from + 1
    while (
      to < questions.length &&
      questions[to]!.protocol === protocol &&
      isSame(questions[to]!.netns, netns)
    )
      to++
    this.#runs.push({ place: this.#placeOf(netns), protocol, from, to, socket: null })
    return to
  }

  #placeOf(netns: Netns): Place {
    const known = this.#places.find(place => isSame(place.netns, netns))
    if (known !== undefined) return known
    // That a descriptor of ours stands for that namespace can only be checked where it is known which it was.
    const place: Place = {
      netns,
      own: netns.inode === null ? null : ownDescriptor(netns),
      inode: netns.inode ?? 0,
    }
    this.#places.push(place)
    return place
  }

  #layQuestion({ bytes, descriptors, each }: NetlinkAsk, at: number): void {
    this.requests.set(bytes, at)
    this.#conversations.push(new Conversation(this.#view.getUint16(at + 6, LITTLE_ENDIAN), each))
    for (const [offset, of] of descriptors) {
      // One of our own is as good as a second one, where that namespace is asked something too.
      const own = this.#places.find(place => isSame(place.netns, of))?.own ?? null
      if (own === null) this.#holes.push({ at: at + offset, of })
      else this.#view.setInt32(at + offset, own, LITTLE_ENDIAN)
    }
  }

  #laySend({ place, from, to }: Run, at: number): void {
    const { sends } = this
    sends[at + 2] = this.#offsets[to]! - this.#offsets[from]!
    for (let i = from; i < to; i++) sends[at + 3]! += this.#conversations[i]!.ends
    const isFirst = this.#runs.find(run => run.place === place)!.from === from
    sends[at + 4] = isFirst && place.own !== null ? place.own : NONE
    setTwoWords(sends, at + 5, place.inode)
  }

  /** Takes the sockets, and numbers the questions anew. To be followed by end(), also where it fails. */
  begin(): void {
    const [places, runs, conversations] = [this.#places, this.#runs, this.#conversations]
    for (const place of places) if (place.own === null) place.inode = currentInode(place.netns, this.#shim)
    for (let i = 0; i < runs.length; i++) {
      const run = runs[i]!
      run.socket = this.#sockets.take(run.place.netns, run.protocol, run.place.inode)
      setTwoWords(this.sends, SEND_WORDS * i, run.socket.slot)
    }
    for (const { at, of } of this.#holes) {
      const fd = openNetnsForMessage(of)
      this.#opened.push(fd)
      this.#view.setInt32(at, fd, LITTLE_ENDIAN)
    }
    const first = firstOfSequences(conversations.length)
    for (let i = 0; i < conversations.length; i++) {
      this.#view.setUint32(this.#offsets[i]! + 8, first + i, LITTLE_ENDIAN)
      conversations[i]!.begin(first + i)
    }
  }

  /** The answers in order; null for what is to be put alone. */
  take(buffer: ReceiveBuffer, count: number): readonly Heard[] {
    const failures = this.#hear(buffer, count)
    if (failures === null && this.#isWhole()) return this.#whole
    return this.#conversations.map(conversation => {
      const failure = failures?.get(conversation) ?? conversation.refusal
      if (conversation.refusal?.errno === EBUSY) return null // another dump was on its way on this socket
      if (failure !== null) return { failed: failure }
      if (conversation.finished) return conversation.interrupted ? INTERRUPTED : WHOLE
      // Put again, a dump would hand out some objects twice.
      return conversation.begun && conversation.isDump ? INTERRUPTED : null
    })
  }

  #isWhole(): boolean {
    for (const { finished, interrupted, refusal } of this.#conversations)
      if (!finished || interrupted || refusal !== null) return false
    return true
  }

  /** Gives back the sockets on which everything has been said. To be called once for each begin(), whatever happened. */
  end(): void {
    while (this.#opened.length > 0) closeSync(this.#opened.pop()!)
    for (const run of this.#runs) {
      const { socket, from, to } = run
      if (socket === null) continue
      run.socket = null
      let finished = true
      for (let i = from; i < to; i++) finished &&= this.#conversations[i]!.finished
      if (finished) this.#sockets.giveBack(socket)
      else this.#sockets.drop(socket)
    }
  }

  /** Hands each message of the kernel's to its conversation; returns the decoders' failures. */
  #hear(buffer: ReceiveBuffer, count: number): Map<Conversation, Error> | null {
    const { datagrams, view, bytes } = buffer
    let failures: Map<Conversation, Error> | null = null
    const first = this.#conversations[0]?.sequence ?? 0
    for (let i = 0; i < 2 * count; i += 2) {
      let at = datagrams[i]!
      const end = at + datagrams[i + 1]!
      if (end > bytes.length) {
        buffer.growTo(end) // it will be put alone
        continue
      }
      while (at + NLMSG_HDRLEN <= end) {
        const length = view.getUint32(at, LITTLE_ENDIAN)
        if (length < NLMSG_HDRLEN || at + length > end) break
        const conversation = this.#conversations[view.getUint32(at + 8, LITTLE_ENDIAN) - first]
        if (conversation !== undefined && !conversation.finished) {
          try {
            conversation.hear(view, at, at + length)
          } catch (error) {
            failures ??= new Map()
            failures.set(conversation, error as Error)
          }
        }
        at += align4(length)
      }
    }
    return failures
  }
}

/** The batches of a kernel, each laid out when its questions are put for the first time. */
export class Batches {
  readonly #known = new WeakMap<readonly NetlinkAsk[], Batch>()
  readonly #shim: Shim
  readonly #sockets: Sockets

  constructor(shim: Shim, sockets: Sockets) {
    this.#shim = shim
    this.#sockets = sockets
  }

  of(questions: readonly NetlinkAsk[]): Batch {
    const known = this.#known.get(questions)
    if (known !== undefined) return known
    const batch = new Batch(questions, this.#shim, this.#sockets)
    this.#known.set(questions, batch)
    return batch
  }
}

export const NOTHING: readonly Heard[] = []

/** Whether every question has its answer. */
export function isComplete(
  heard: readonly Heard[],
  questions: readonly NetlinkAsk[],
): heard is Answers['together'] {
  if (heard.length < questions.length) return false
  for (const answer of heard) if (answer === null) return false
  return true
}

/** Only what reads can be put again where its answer is lost. */
export function areReads(questions: readonly NetlinkAsk[]): boolean {
  for (const { writes } of questions) if (writes) return false
  return true
}

function setTwoWords(words: Uint32Array, at: number, value: number): void {
  words[at] = value
  words[at + 1] = value / 2 ** 32
}

function isSame(one: Netns, other: Netns): boolean {
  return one === other || (one.path === other.path && one.inode === other.inode)
}

const WHOLE = { interrupted: false } as const
const INTERRUPTED = { interrupted: true } as const
const EBUSY = -16
