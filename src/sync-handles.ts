import {
  closeRedirectCounter,
  type RedirectCount,
  type RedirectCounter,
  readRedirectCounter,
} from './bpf/redirect-counter.ts'
import { closeTrace, type TraceForm } from './bpf/trace.ts'
import { NetnsIdentity } from './identity.ts'
import type { Limits } from './kernel/kernel.ts'
import { perform } from './sync-device.ts'
import { removeNetns } from './veth/netns.ts'
import { type RedirectTrace, readRedirectTrace, type TraceReport } from './veth/trace-redirects.ts'
import { ask } from './wire/operation.ts'

/** A network namespace of our making; usable wherever a netns is asked for. */
export class NetnsHandle extends NetnsIdentity {
  /** Lets go of it: it ends, and its devices with it, when nobody else holds it. */
  remove(): void {
    perform(removeNetns(this), {})
  }
}

/** Counts how XDP redirects end, on the whole machine, until it is closed or the process ends. */
export class RedirectCounterHandle {
  readonly #counter: RedirectCounter

  constructor(counter: RedirectCounter) {
    this.#counter = counter
  }

  /** What was counted since it was opened: an entry per tracepoint and errno that occurred. */
  read(): RedirectCount[] {
    return perform(readRedirectCounter(this.#counter), {})
  }

  close(): void {
    perform(closeRedirectCounter(this.#counter), {})
  }
}

/**
 * Counts, in the kernel, how XDP redirects end, until it is closed or the process ends. Who reads seldom gets longer
 * reports, at most as long as the kernel's map; nothing is missing from them.
 */
export class RedirectTraceHandle implements Iterable<TraceReport> {
  readonly #trace: RedirectTrace
  readonly #intervalMs: number
  readonly #limits: Limits

  constructor(trace: RedirectTrace, intervalMs: number, limits: Limits) {
    this.#trace = trace
    this.#intervalMs = intervalMs
    this.#limits = limits
  }

  /** By what means it counts. */
  get by(): TraceForm {
    return this.#trace.form
  }

  /** What was counted since the last time, or since it was opened. */
  read(): TraceReport {
    return perform(readRedirectTrace(this.#trace), this.#limits)
  }

  /** A second time does nothing. */
  close(): void {
    perform(closeTrace(this.#trace), {})
  }

  /** A report at each interval in which something was counted; holds the thread meanwhile. Leaving the loop closes it. */
  *[Symbol.iterator](): Generator<TraceReport, undefined, undefined> {
    try {
      while (this.#trace.open) {
        perform(ask<'wait'>({ kind: 'wait', milliseconds: this.#intervalMs }), {})
        const report = this.read()
        if (report.redirects.length > 0 || report.uncounted > 0) yield report
      }
    } finally {
      this.close()
    }
  }
}
