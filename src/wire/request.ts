import { InterruptedDumpError } from './errors.ts'
import type { Message } from './message.ts'
import { ask, type Operation } from './operation.ts'
import { askOf, type Decode, explained, ObjectQuestion, put } from './question.ts'

export type { Decode } from './question.ts'

/** How often a dump that changed under the reader is read anew before it is handed out as it is. */
const DUMP_ATTEMPTS = 5

/** Asks and expects nothing but the acknowledgement (the message carries NLM_F_ACK). */
export function* command(message: Message): Operation<void> {
  try {
    yield* ask<'netlink'>(askOf(message, () => {}))
  } catch (error) {
    throw explained(error as Error, message)
  }
}

/** Asks for one object. */
export function get<T>(message: Message, decode: Decode<T>): Operation<T> {
  return put(new ObjectQuestion(message, decode))
}

/** Asks for all objects (the message carries NLM_F_DUMP), again when they changed while being read. */
export function* dump<T>(message: Message, decode: Decode<T>): Operation<T[]> {
  let list: T[] = []
  for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
    const fresh: T[] = []
    const question = askOf(message, (view, at, end, type) => {
      fresh.push(decode(view, at, end, type))
    })
    try {
      const { interrupted } = yield* ask<'netlink'>(question)
      if (!interrupted) return fresh
    } catch (error) {
      throw explained(error as Error, message)
    }
    list = fresh
  }
  throw new InterruptedDumpError(message.subject.message, DUMP_ATTEMPTS, list)
}

/**
 * Asks for all objects and hands each out as it comes. What has been handed out cannot be taken back, so nothing is
 * asked again. @throws InterruptedDumpError at the end, when they changed meanwhile.
 */
export function* visitAll<T>(message: Message, decode: Decode<T>, visit: (one: T) => void): Operation<void> {
  const question = askOf(message, (view, at, end, type) => visit(decode(view, at, end, type)))
  try {
    const { interrupted } = yield* ask<'netlink'>(question)
    if (interrupted) throw new InterruptedDumpError(message.subject.message, 1, [])
  } catch (error) {
    throw explained(error as Error, message)
  }
}
