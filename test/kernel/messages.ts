import { string, u32 } from '../../src/wire/attribute.ts'
import { Message } from '../../src/wire/message.ts'
import { LITTLE_ENDIAN, NETLINK_ROUTE, NLM_F, NLMSG, NLMSGERR_ATTR } from '../../src/wire/netlink.ts'
import { OWN_NETNS } from '../../src/wire/netns.ts'
import type { Operation } from '../../src/wire/operation.ts'
import { command, type Decode, dump, get } from '../../src/wire/request.ts'
import { table } from '../../src/wire/table.ts'
import { Writer } from '../../src/wire/writer.ts'

/** A message as the kernel would answer it to the request of that sequence number. */
export type Said = (sequence: number) => Uint8Array

export interface Datagram {
  readonly messages: readonly Said[]
  /** Its length before it was cut to the buffer, where that is more. */
  readonly claims: number
}

export function datagram(...messages: Said[]): Datagram {
  return { messages, claims: 0 }
}

/** struct nlmsghdr and payload; `length` where it is to lie about its own. */
export function message(
  type: number,
  flags: number,
  payload: (writer: Writer) => void,
  length?: number,
): Said {
  return sequence => {
    const writer = new Writer()
    writer.u32(0)
    writer.u16(type)
    writer.u16(flags)
    writer.u32(sequence)
    writer.u32(0)
    payload(writer)
    writer.patchU32(0, length ?? writer.length)
    return writer.bytes().slice()
  }
}

/** The message as an answer to somebody's request of another number. */
export function ofAnother(said: Said): Said {
  return sequence => said(sequence + 1)
}

const OBJECT = 16

/** An object of a dump. */
export function part(value: number, flags = 0): Said {
  return message(OBJECT, NLM_F.MULTI | flags, writer => writer.u32(value))
}

/** The one object that a get is answered with. */
export function reply(value: number): Said {
  return message(OBJECT, 0, writer => writer.u32(value))
}

/** The end of a dump. */
export function done(errno = 0, attributes?: Attributes, flags = 0): Said {
  const tlvs = attributes === undefined ? 0 : NLM_F.ACK_TLVS
  return message(NLMSG.DONE, NLM_F.MULTI | flags | tlvs, writer => {
    writer.s32(errno)
    attributes?.(writer)
  })
}

export function overrun(): Said {
  return message(NLMSG.OVERRUN, 0, () => {})
}

export function noop(): Said {
  return message(NLMSG.NOOP, 0, writer => writer.u32(0))
}

export function ack(): Said {
  return error(0)
}

/** struct nlmsgerr with the request's header alone. */
export function error(errno: number, attributes?: Attributes): Said {
  const tlvs = attributes === undefined ? 0 : NLM_F.ACK_TLVS
  return message(NLMSG.ERROR, NLM_F.CAPPED | tlvs, writer => {
    writer.s32(errno)
    writer.zeros(16)
    attributes?.(writer)
  })
}

/** struct nlmsgerr with the whole request, as sockets without NETLINK_CAP_ACK get it. */
export function uncappedError(errno: number, request: Uint8Array, attributes?: Attributes): Said {
  const tlvs = attributes === undefined ? 0 : NLM_F.ACK_TLVS
  return message(NLMSG.ERROR, tlvs, writer => {
    writer.s32(errno)
    writer.raw(request)
    attributes?.(writer)
  })
}

type Attributes = (writer: Writer) => void

/** NLMSGERR_ATTR_*. */
export function extended(ack: {
  words?: string
  offset?: number
  missing?: number
  missingIn?: number
}): Attributes {
  return writer => {
    const { words, offset, missing, missingIn } = ack
    if (words !== undefined) writer.attribute(NLMSGERR_ATTR.MSG, () => writer.text(words))
    if (offset !== undefined) writer.attribute(NLMSGERR_ATTR.OFFS, () => writer.u32(offset))
    if (missing !== undefined) writer.attribute(NLMSGERR_ATTR.MISS_TYPE, () => writer.u32(missing))
    if (missingIn !== undefined) writer.attribute(NLMSGERR_ATTR.MISS_NEST, () => writer.u32(missingIn))
  }
}

/** What the requests below carry. */
interface Asked {
  colour: string
  size: number
}
const ASKED = table<Asked>([
  [1, 'colour', string],
  [2, 'size', u32],
])
/** Where they begin. */
export const COLOUR_AT = 16
export const SIZE_AT = 16 + 12

export function request(flags: number, writes: boolean): Message {
  const subject = { message: 'RTM_TEST', netns: OWN_NETNS, device: '', writes }
  const message = new Message(subject, NETLINK_ROUTE, 18, flags, { header: 0, table: ASKED })
  message.attribute(1, () => message.text('yellow'))
  message.attribute(2, () => message.u32(7))
  return message
}

const value: Decode<number> = (view, at) => view.getUint32(at, LITTLE_ENDIAN)

export const getOne = (): Operation<number> => get(request(0, false), value)
export const dumpAll = (): Operation<number[]> => dump(request(NLM_F.DUMP, false), value)
export const change = (): Operation<void> => command(request(NLM_F.ACK, true))
/** A read that wants its reply acknowledged too. */
export const getAcknowledged = (): Operation<number> => get(request(NLM_F.ACK, false), value)
