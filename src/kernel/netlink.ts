import { SystemError, TimeoutError } from '../wire/errors.ts'
import { LITTLE_ENDIAN, NLMSG_HDRLEN } from '../wire/netlink.ts'
import type { Answers, NetlinkAsk } from '../wire/operation.ts'
import { Conversation } from './conversation.ts'
import { openNetnsForMessage } from './netns-files.ts'
import { closeSync } from './node.ts'
import type { Socket, Sockets } from './sockets.ts'

/** One crossing into the shim: send the request, if any, and receive what is there. */
export interface Exchange {
  /** Asked for when its turn has come: a socket that waits long for it would be closed for being idle. @throws SystemError */
  slot(): number
  readonly request: Uint8Array | null
}

/** Where datagrams are received; shared by all conversations of a kernel, one exchange at a time. */
export class ReceiveBuffer {
  bytes: Uint8Array
  view: DataView
  /** Two words per datagram: offset, length as sent. */
  readonly datagrams = new Uint32Array(2 * 32)

  constructor(size: number) {
    this.bytes = new Uint8Array(size)
    this.view = new DataView(this.bytes.buffer)
  }

  growTo(size: number): void {
    let larger = this.bytes.length
    while (larger < size) larger *= 2
    this.bytes = new Uint8Array(larger)
    this.view = new DataView(this.bytes.buffer)
  }
}

const EBADF = 9
const ENOBUFS = 105
const ETIMEDOUT = 110
/** How often a read is put again after its answer was lost (too long for the buffer, or the socket closed). */
const ATTEMPTS = 4

/** Milliseconds for an answer, where the caller says nothing. */
export const DEFAULT_TIMEOUT = 30_000

/**
 * The longest that one exchange waits, in milliseconds; the time limit is made of several. A pool thread that
 * waits cannot be called back, and a worker thread cannot end before it.
 */
export const LONGEST_WAIT = 500

let sequence = 0

/** The first of that many sequence numbers that follow each other. 0 is never one. */
export function firstOfSequences(count: number): number {
  if (sequence + count > 0xffffffff) sequence = 0
  const first = sequence + 1
  sequence += count
  return first
}

/**
 * Puts one request and hands out its answer. It yields each exchange and is resumed with the shim's result,
 * so that the synchronous and the promise kernel drive the same code.
 */
export function* converse(
  question: NetlinkAsk,
  sockets: Sockets,
  buffer: ReceiveBuffer,
  timeout: number,
): Generator<Exchange, Answers['netlink'], number> {
  const opened = fillDescriptors(question)
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const conversation = begin(question)
      const complete = yield* untilFinished(question, conversation, sockets, buffer, timeout)
      if (conversation.refusal !== null) throw conversation.refusal
      // A dump is repeated where its list is made, or the list would hold some objects twice.
      if (complete || conversation.isDump) return { interrupted: conversation.interrupted || !complete }
    }
    throw new SystemError(ENOBUFS, 'recvmsg', `the answer was lost ${ATTEMPTS} times`)
  } finally {
    for (const fd of opened) closeSync(fd)
  }
}

/** false: part of the answer is lost. */
function* untilFinished(
  question: NetlinkAsk,
  conversation: Conversation,
  sockets: Sockets,
  buffer: ReceiveBuffer,
  timeout: number,
): Generator<Exchange, boolean, number> {
  let choose = () => sockets.take(question.netns, question.protocol)
  let socket = null as Socket | null
  const slot = () => {
    socket ??= choose()
    return socket.slot
  }
  let request: Uint8Array | null = question.bytes
  let waited = 0
  let reopened = 0
  try {
    while (!conversation.finished) {
      const count: number = yield { slot, request }
      if (count === -EBADF && request !== null) {
        // The shim closed it for having been idle; nothing has been sent yet.
        if (reopened++ === ATTEMPTS)
          throw new SystemError(count, 'sendmsg', 'each time its socket was closed before it was sent')
        choose = () => sockets.open(question.netns, question.protocol)
        socket = null
        continue
      }
      if (count === -EBADF || count === -ENOBUFS) return lost(question, count)
      if (count === -ETIMEDOUT) {
        waited += LONGEST_WAIT
        if (waited >= timeout) throw new TimeoutError(timeout, question.writes)
        request = null
        continue
      }
      if (count < 0) throw new SystemError(count, request === null ? 'recvmsg' : 'sendmsg')
      request = null
      const needed = takeDatagrams(conversation, buffer, count)
      if (needed > 0) {
        buffer.growTo(needed)
        return lost(question, -ENOBUFS)
      }
    }
    if (socket !== null) sockets.giveBack(socket)
    return true
  } finally {
    if (!conversation.finished && socket !== null) sockets.drop(socket)
  }
}

/** Returns 0, or the room that a datagram which did not fit would have needed. */
function takeDatagrams(conversation: Conversation, buffer: ReceiveBuffer, count: number): number {
  const { datagrams, view, bytes } = buffer
  for (let i = 0; i < 2 * count; i += 2) {
    const at = datagrams[i]!
    const length = datagrams[i + 1]!
    if (at + length > bytes.length) return at + length
    conversation.take(view, at, at + length)
  }
  return 0
}

function lost(question: NetlinkAsk, errno: number): false {
  if (question.writes)
    throw new SystemError(errno, 'recvmsg', 'the outcome of a change was lost: look before repeating it')
  return false
}

const NONE: readonly number[] = []

/** Gives the request a sequence number. */
function begin({ bytes, each }: NetlinkAsk): Conversation {
  const header = new DataView(bytes.buffer, bytes.byteOffset, NLMSG_HDRLEN)
  const sequence = firstOfSequences(1)
  header.setUint32(8, sequence, LITTLE_ENDIAN)
  const conversation = new Conversation(header.getUint16(6, LITTLE_ENDIAN), each)
  conversation.begin(sequence)
  return conversation
}

function fillDescriptors({ bytes, descriptors }: NetlinkAsk): readonly number[] {
  if (descriptors.length === 0) return NONE
  const opened: number[] = []
  try {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    for (const [at, netns] of descriptors) {
      const fd = openNetnsForMessage(netns)
      opened.push(fd)
      view.setInt32(at, fd, LITTLE_ENDIAN)
    }
    return opened
  } catch (error) {
    for (const fd of opened) closeSync(fd)
    throw error
  }
}
