import { closeSync } from 'node:fs'
import { align4, LITTLE_ENDIAN, NLM_F, NLMSG_HDRLEN } from '../wire/netlink.ts'
import { type Netns, ownDescriptor } from '../wire/netns.ts'
import type { Answers, Failed, NetlinkAsk } from '../wire/operation.ts'
import { Conversation } from './conversation.ts'
import { nextSequence, type ReceiveBuffer } from './netlink.ts'
import { currentInode, openNetnsForMessage } from './netns-files.ts'
import type { Shim } from './shim.ts'
import type { Socket, Sockets } from './sockets.ts'

/** What is sent in one crossing; shared by all batches of a kernel, one at a time. */
export class SendBuffer {
  readonly requests = new Uint8Array(8 * 1024)
  readonly view = new DataView(this.requests.buffer)
  /** What exchangeTogether() wants to know of each socket. */
  readonly sends = new Uint32Array(SEND_WORDS * 16)
}
const SEND_WORDS = 7
/** -1 as a word: no descriptor to look at. */
const NONE = 0xffffffff

/** Only what reads can be put again where its answer is lost. */
export function areReads(questions: readonly NetlinkAsk[]): boolean {
  return questions.every(question => !question.writes)
}

/** An answer; null where the question is to be put alone. */
export type Heard = Answers['netlink'] | Failed | null

/**
 * Several reads in one crossing into the shim. Those for one namespace and protocol that follow each other share a
 * socket and a datagram. What does not come through (a socket closed meanwhile, a datagram too long, a long dump) is the
 * caller's to put alone: here nothing waits, and nothing is tried twice.
 */
export class Batch {
  readonly #questions: readonly NetlinkAsk[]
  readonly #shim: Shim
  readonly #sockets: Sockets
  readonly #out: SendBuffer
  readonly #conversations: Conversation[] = []
  /** By question, some more than once. */
  readonly #socketOf: Socket[] = []
  readonly #opened: number[] = []
  /** The namespaces that have come up, and which they are. */
  readonly #paths: string[] = []
  readonly #inodes: number[] = []

  constructor(questions: readonly NetlinkAsk[], shim: Shim, sockets: Sockets, out: SendBuffer) {
    this.#questions = questions
    this.#shim = shim
    this.#sockets = sockets
    this.#out = out
  }

  /** Writes down what is to be sent, and returns on how many sockets. 0: not possible. */
  begin(): number {
    const { requests, view, sends } = this.#out
    let at = 0
    let words = -SEND_WORDS
    let socket: Socket | null = null
    let before: NetlinkAsk | null = null
    for (const question of this.#questions) {
      const { bytes, netns, protocol, descriptors } = question
      const length = align4(bytes.length)
      if (at + length > requests.length) return 0
      if (socket === null || protocol !== before!.protocol || !isSame(netns, before!.netns)) {
        words += SEND_WORDS
        if (words === sends.length) return 0
        socket = this.#socket(netns, protocol, words)
      }
      before = question
      this.#socketOf.push(socket)
      requests.set(bytes, at)
      for (const [offset, of] of descriptors) view.setInt32(at + offset, this.#descriptor(of), LITTLE_ENDIAN)
      const sequence = nextSequence()
      view.setUint32(at + 8, sequence, LITTLE_ENDIAN)
      const flags = view.getUint16(at + 6, LITTLE_ENDIAN)
      this.#conversations.push(new Conversation(sequence, flags, question.each))
      sends[words + 2]! += length
      sends[words + 3]! += flags & NLM_F.ACK ? 2 : 1
      at += length
    }
    return words / SEND_WORDS + 1
  }

  /** Takes one, and writes down how it is known to be in the right namespace. */
  #socket(netns: Netns, protocol: number, words: number): Socket {
    const seen = this.#paths.indexOf(netns.path)
    const own = netns.inode === null ? null : ownDescriptor(netns)
    let inode = seen >= 0 ? this.#inodes[seen]! : -1
    const isNew = seen < 0 || (own !== null && inode !== netns.inode)
    if (isNew) {
      // That a descriptor of ours stands for that namespace is looked at when everything is sent.
      inode = own === null ? currentInode(netns, this.#shim) : netns.inode!
      this.#paths.push(netns.path)
      this.#inodes.push(inode)
    }
    const socket = this.#sockets.take(netns, protocol, inode)
    const { sends } = this.#out
    setTwoWords(sends, words, socket.slot)
    sends[words + 2] = 0
    sends[words + 3] = 0
    sends[words + 4] = isNew && own !== null ? own : NONE
    setTwoWords(sends, words + 5, inode)
    return socket
  }

  /** The answers in order; null for what is to be put alone. */
  take(buffer: ReceiveBuffer, count: number): Heard[] {
    const failures = this.#hear(buffer, count)
    return this.#conversations.map(conversation => {
      if (failures === null && conversation.finished && conversation.refusal === null)
        return conversation.interrupted ? INTERRUPTED : WHOLE
      const failure = failures?.get(conversation) ?? conversation.refusal
      if (conversation.refusal?.errno === EBUSY) return null // another dump was on its way on this socket
      if (failure !== null) return { failed: failure }
      if (conversation.finished) return conversation.interrupted ? INTERRUPTED : WHOLE
      // Put again, a dump would hand out some objects twice.
      return conversation.begun && conversation.isDump ? INTERRUPTED : null
    })
  }

  /** Gives back the sockets on which everything has been said. To be called once, whatever happened. */
  end(): void {
    for (const fd of this.#opened) closeSync(fd)
    const sockets = this.#socketOf
    for (let i = 0; i < sockets.length; ) {
      const socket = sockets[i]!
      let finished = true
      for (; sockets[i] === socket; i++) finished &&= this.#conversations[i]?.finished === true
      if (finished) this.#sockets.giveBack(socket)
      else this.#sockets.drop(socket)
    }
  }

  /** Hands each message of the kernel's to its conversation; returns the decoders' failures. */
  #hear(buffer: ReceiveBuffer, count: number): Map<Conversation, Error> | null {
    const { datagrams, view, bytes } = buffer
    let failures: Map<Conversation, Error> | null = null
    const first = this.#conversations[0]?.sequence ?? 0
    for (let i = 0; i < 3 * count; i += 3) {
      let at = datagrams[i]!
      const end = at + datagrams[i + 1]!
      if (datagrams[i + 2] !== 0) continue
      if (end > bytes.length) {
        buffer.growTo(end) // it will be put alone
        continue
      }
      while (at + NLMSG_HDRLEN <= end) {
        const length = view.getUint32(at, LITTLE_ENDIAN)
        if (length < NLMSG_HDRLEN || at + length > end) break
        const sequence = view.getUint32(at + 8, LITTLE_ENDIAN)
        const conversation = this.#conversations[sequence - first]
        if (conversation?.sequence === sequence && !conversation.finished) {
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

  /** One of our own is as good as a second one, where that namespace is asked something too: see #socket(). */
  #descriptor(of: Netns): number {
    const own = of.inode === null ? null : ownDescriptor(of)
    if (own !== null && this.#questions.some(({ netns }) => isSame(netns, of))) return own
    const fd = openNetnsForMessage(of)
    this.#opened.push(fd)
    return fd
  }
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
