import { DecodeError, type ExtendedAck, NO_EXTENDED_ACK, Refusal } from '../wire/errors.ts'
import {
  align4,
  LITTLE_ENDIAN,
  NLA_HDRLEN,
  NLA_TYPE_MASK,
  NLM_F,
  NLMSG,
  NLMSG_HDRLEN,
  NLMSGERR_ATTR,
} from '../wire/netlink.ts'
import type { Sink } from '../wire/operation.ts'
import { readText } from '../wire/text.ts'

const EIO = 5

/**
 * One request and everything the kernel says to it, message by message as the datagrams come.
 * It ends with NLMSG_DONE (a dump), the acknowledgement (NLM_F_ACK was set; a reply comes before it), the one
 * reply (neither was set), or an error. Source: net/netlink/af_netlink.c.
 */
export class Conversation {
  /** The kernel has said everything. */
  finished = false
  /** NLM_F_DUMP_INTR was on some message: the objects changed between two datagrams. */
  interrupted = false
  /** Something of the answer has been handed out. */
  begun = false
  /** The error that ended it, or null. */
  refusal: Refusal | null = null

  /** nlmsg_seq of the request and all that answers it. */
  sequence = 0

  readonly #each: Sink
  readonly #endsBy: 'done' | 'ack' | 'reply'

  /** flags: the request's NLM_F_*, which tell what will end the answer. */
  constructor(flags: number, each: Sink) {
    this.#each = each
    // NLM_F_DUMP shares its bits with NLM_F_REPLACE | NLM_F_EXCL, which only go with an acknowledged write.
    this.#endsBy = flags & NLM_F.ACK ? 'ack' : (flags & NLM_F.DUMP) === NLM_F.DUMP ? 'done' : 'reply'
  }

  /** The request is sent, perhaps again: nothing has been said to it yet. */
  begin(sequence: number): void {
    this.sequence = sequence
    this.finished = false
    this.interrupted = false
    this.begun = false
    this.refusal = null
  }

  /** How many messages end an answer to it: a reply, and what acknowledges it. */
  get ends(): number {
    return this.#endsBy === 'ack' ? 2 : 1
  }

  get isDump(): boolean {
    return this.#endsBy === 'done'
  }

  /** Takes one whole datagram, view[at, end). Messages of other conversations are passed over. */
  take(view: DataView, at: number, end: number): void {
    while (at + NLMSG_HDRLEN <= end && !this.finished) {
      const length = view.getUint32(at, LITTLE_ENDIAN)
      if (length < NLMSG_HDRLEN || at + length > end) {
        throw new DecodeError(`netlink message length ${length} out of bounds`, at)
      }
      if (view.getUint32(at + 8, LITTLE_ENDIAN) === this.sequence) this.hear(view, at, at + length)
      at += align4(length)
    }
  }

  /** Takes one message of this conversation, view[at, end). */
  hear(view: DataView, at: number, end: number): void {
    const type = view.getUint16(at + 4, LITTLE_ENDIAN)
    const flags = view.getUint16(at + 6, LITTLE_ENDIAN)
    const payload = at + NLMSG_HDRLEN
    if (flags & NLM_F.DUMP_INTR) this.interrupted = true
    switch (type) {
      case NLMSG.NOOP:
        return
      case NLMSG.ERROR:
        this.#end(view, payload, end, errorAttributes(view, payload, end, flags))
        return
      case NLMSG.DONE:
        this.#end(view, payload, end, flags & NLM_F.ACK_TLVS ? payload + 4 : end)
        return
      case NLMSG.OVERRUN:
        this.#refuse(EIO, { ...NO_EXTENDED_ACK, message: 'data was lost (NLMSG_OVERRUN)' })
        return
      default:
        this.begun = true
        this.#each(view, payload, end, type)
        if (this.#endsBy === 'reply' && !(flags & NLM_F.MULTI)) this.finished = true
    }
  }

  /** An error and a DONE both begin with an int: 0, or a negative errno. */
  #end(view: DataView, at: number, end: number, attributes: number): void {
    const errno = at + 4 <= end ? view.getInt32(at, LITTLE_ENDIAN) : 0
    if (errno < 0) this.#refuse(errno, readExtendedAck(view, attributes, end))
    this.finished = true
  }

  #refuse(errno: number, ack: ExtendedAck): void {
    this.refusal = new Refusal(errno, ack)
    this.finished = true
  }
}

/** Behind the int stands the request's header, and the rest of the request unless it was capped. */
function errorAttributes(view: DataView, at: number, end: number, flags: number): number {
  if (!(flags & NLM_F.ACK_TLVS) || at + 4 + NLMSG_HDRLEN > end) return end
  const request = flags & NLM_F.CAPPED ? NLMSG_HDRLEN : view.getUint32(at + 4, LITTLE_ENDIAN)
  return at + 4 + align4(request)
}

function readExtendedAck(view: DataView, at: number, end: number): ExtendedAck {
  let { message, offset, missing, missingIn } = NO_EXTENDED_ACK
  while (at + NLA_HDRLEN <= end) {
    const size = view.getUint16(at, LITTLE_ENDIAN)
    if (size < NLA_HDRLEN || at + size > end) break
    const payload = at + NLA_HDRLEN
    const type = view.getUint16(at + 2, LITTLE_ENDIAN) & NLA_TYPE_MASK
    if (type === NLMSGERR_ATTR.MSG) message = readText(view, payload, size - NLA_HDRLEN)
    else if (size >= NLA_HDRLEN + 4) {
      const value = view.getUint32(payload, LITTLE_ENDIAN)
      if (type === NLMSGERR_ATTR.OFFS) offset = value
      else if (type === NLMSGERR_ATTR.MISS_TYPE) missing = value
      else if (type === NLMSGERR_ATTR.MISS_NEST) missingIn = value
    }
    at += align4(size)
  }
  return { message, offset, missing, missingIn }
}
