import { DecodeError } from '../wire/errors.ts'
import { ask, type Operation } from '../wire/operation.ts'

/** How a tracepoint's record lies in memory, as tracefs describes it. */
export class TracepointFormat {
  /** By which perf_event_open(2) knows the tracepoint. */
  readonly id: number
  readonly #event: string
  readonly #fields: ReadonlyMap<string, { readonly offset: number; readonly size: number }>

  /** @throws DecodeError for what is no such description. Source: kernel/trace/trace_events.c, f_show(). */
  constructor(event: string, text: string) {
    const id = /^ID: (\d+)$/m.exec(text)?.[1]
    if (id === undefined) throw new DecodeError(`the format of ${event} has no line 'ID: …'`, 0)
    this.id = Number(id)
    this.#event = event
    this.#fields = new Map(
      [...text.matchAll(FIELD)].map(([, name, offset, size]) => [
        name!,
        { offset: Number(offset), size: Number(size) },
      ]),
    )
  }

  /** Where a field of 32 bits begins. @throws DecodeError when there is none of that name and size. */
  offset32(field: string): number {
    const found = this.#fields.get(field)
    if (found?.size !== 4) throw new DecodeError(`${this.#event} has no field ${field} of 4 bytes`, 0)
    return found.offset
  }
}

/** The name is the declaration's last word. */
const FIELD = /^\tfield:.*?(\w+);\toffset:(\d+);\tsize:(\d+);/gm

/** @throws SystemError ENOENT where there is no such tracepoint, or tracefs is not mounted. */
export function* readFormat(event: string): Operation<TracepointFormat> {
  const bytes = yield* ask<'kernel file'>({
    kind: 'kernel file',
    of: 'tracefs',
    path: `events/${event}/format`,
  })
  return new TracepointFormat(event, new TextDecoder().decode(bytes))
}
