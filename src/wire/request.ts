import { attributePath, missingPath } from './attribute-path.ts'
import { DecodeError, InterruptedDumpError, NetlinkError, Refusal } from './errors.ts'
import type { Message } from './message.ts'
import { type Answers, ask, type Operation, type Sink } from './operation.ts'

/** How often a dump that changed under the reader is read anew before it is handed out as it is. */
const DUMP_ATTEMPTS = 5

/** Reads one object out of view[at, end): the payload of one message of the given nlmsg_type. */
export type Decode<T> = (view: DataView, at: number, end: number, type: number) => T

/** Asks and expects nothing but the acknowledgement (the message carries NLM_F_ACK). */
export function* command(message: Message): Operation<void> {
  yield* exchange(message, () => {})
}

/** Asks for one object. */
export function* get<T>(message: Message, decode: Decode<T>): Operation<T> {
  let found: { value: T } | null = null
  yield* exchange(message, (view, at, end, type) => {
    found = { value: decode(view, at, end, type) }
  })
  if (found === null) throw new DecodeError(`no object in the answer to ${message.subject.message}`, 0)
  return (found as { value: T }).value
}

/** Asks for all objects (the message carries NLM_F_DUMP), again when they changed while being read. */
export function* dump<T>(message: Message, decode: Decode<T>): Operation<T[]> {
  let list: T[] = []
  for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
    const fresh: T[] = []
    const { interrupted } = yield* exchange(message, (view, at, end, type) => {
      fresh.push(decode(view, at, end, type))
    })
    if (!interrupted) return fresh
    list = fresh
  }
  throw new InterruptedDumpError(message.subject.message, DUMP_ATTEMPTS, list)
}

function* exchange(message: Message, each: Sink): Operation<Answers['netlink']> {
  const bytes = message.finish()
  try {
    return yield* ask<'netlink'>({
      kind: 'netlink',
      netns: message.subject.netns,
      protocol: message.protocol,
      bytes,
      descriptors: message.descriptors,
      writes: message.subject.writes,
      each,
    })
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    const { offset, missing, missingIn, message: words } = error.ack
    const path =
      missing !== null
        ? missingPath(message, missing, missingIn)
        : offset !== null
          ? attributePath(message, offset)
          : ''
    throw new NetlinkError(error.errno, message.subject, words, path)
  }
}
