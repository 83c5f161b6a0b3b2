import {
  closeRedirectCounter,
  type RedirectCount,
  type RedirectCounter,
  readRedirectCounter,
} from './bpf/redirect-counter.ts'
import { closeTrace, type TraceForm } from './bpf/trace.ts'
import { perform } from './device.ts'
import { NetnsIdentity } from './identity.ts'
import { onAbort } from './kernel/abort.ts'
import type { Limits } from './kernel/kernel.ts'
import { removeNetns } from './veth/netns.ts'
import { type RedirectTrace, readRedirectTrace, type TraceReport } from './veth/trace-redirects.ts'
import { ask } from './wire/operation.ts'

/** A network namespace of our making; usable wherever a netns is asked for. */
export class NetnsHandle extends NetnsIdentity {
  /** Lets go of it: it ends, and its devices with it, when nobody else holds it. */
  remove(): Promise<void> {
    return perform(removeNetns(this), {})
  }
}

/** Counts how XDP redirects end, on the whole machine, until it is closed or the process ends. */
export class RedirectCounterHandle {
  readonly #counter: RedirectCounter

  constructor(counter: RedirectCounter) {
    this.#counter = counter
  }

  /** What was counted since it was opened: an entry per tracepoint and errno that occurred. */
  read(): Promise<RedirectCount[]> {
    return perform(readRedirectCounter(this.#counter), {})
  }

  close(): Promise<void> {
    return perform(closeRedirectCounter(this.#counter), {})
  }
}

/**
 * Counts, in the kernel, how XDP redirects end, until it is closed, the signal is aborted or the process ends. Who reads
 * seldom gets longer reports, at most as long as the kernel's map; nothing is missing from them.
 */
export class RedirectTraceHandle implements AsyncIterable<TraceReport> {
  readonly #trace: RedirectTrace
  readonly #intervalMs: number
  readonly #limits: Limits
  readonly #closing = new AbortController()
  readonly #forget: () => void
  /** Settles when the call that was made last is over: one reads, or closes, at a time. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(trace: RedirectTrace, intervalMs: number, limits: Limits) {
    this.#trace = trace
    this.#intervalMs = intervalMs
    this.#limits = limits
    this.#forget = onAbort(limits.signal, () => void this.close())
  }

  /** By what means it counts. */
  get by(): TraceForm {
    return this.#trace.form
  }

  /** What was counted since the last time, or since it was opened. */
  read(): Promise<TraceReport> {
    return this.#inTurn(() => perform(readRedirectTrace(this.#trace), this.#limits))
  }

  /** A second time does nothing. */
  close(): Promise<void> {
    this.#forget()
    this.#closing.abort()
    return this.#inTurn(() => perform(closeTrace(this.#trace), {}))
  }

  /**
   * A report at each interval in which something was counted, until the trace is closed; leaving the loop closes it.
   * @throws what the signal was aborted with.
   */
  [Symbol.asyncIterator](): AsyncIterator<TraceReport, undefined, undefined> {
    return {
      next: () => this.#next(),
      return: async () => {
        await this.close()
        return { done: true, value: undefined }
      },
    }
  }

  async #next(): Promise<IteratorResult<TraceReport, undefined>> {
    for (;;) {
      try {
        const wait = ask<'wait'>({ kind: 'wait', milliseconds: this.#intervalMs })
        await perform(wait, { signal: this.#closing.signal })
        const report = await this.read()
        if (report.redirects.length > 0 || report.uncounted > 0) return { done: false, value: report }
      } catch (error) {
        const isClosed = this.#closing.signal.aborted
        await this.close()
        if (this.#limits.signal?.aborted) throw this.#limits.signal.reason
        if (isClosed) return { done: true, value: undefined }
        throw error
      }
    }
  }

  #inTurn<T>(call: () => Promise<T>): Promise<T> {
    const result = this.#last.then(call)
    this.#last = result.catch(() => {})
    return result
  }
}
