import type { Sent } from './generator.ts'

/** What pktgen tells of one device on one of its threads. */
export interface PktgenReport {
  /** Frames that the driver took. */
  readonly sofar: number
  /** Frames that the driver, or the queue before it, dropped: they were sent, and count among what was lost. */
  readonly errors: number
  /** Since the machine started, microseconds; equal to each other where it has not run. */
  readonly started: number
  readonly stopped: number
  /** What came of the last command, or of the run: 'OK: …', 'Idle', or the kernel's complaint. */
  readonly result: string
}

/**
 * Reads /proc/net/pktgen/<device>. Source: pktgen_if_show(), net/core/pktgen.c, alike in 5.10 and 7.3.
 * @throws Error where it is something else.
 */
export function parseReport(text: string): PktgenReport {
  const number = (field: string): number => {
    const [, value] = new RegExp(`^\\s.*\\b${field}: (\\d+)`, 'm').exec(text) ?? []
    if (value === undefined) throw new Error(`pktgen tells of no ${field}:\n${text}`)
    return Number(value)
  }
  const [, result] = /^Result: (.*)/m.exec(text) ?? []
  if (result === undefined) throw new Error(`pktgen tells of no result:\n${text}`)
  return {
    sofar: number('pkts-sofar'),
    errors: number('errors'),
    started: number('started'),
    stopped: number('stopped'),
    result,
  }
}

/** The devices of a thread, as /proc/net/pktgen/kpktgend_<CPU> lists them. Source: pktgen_thread_show(). */
export function parseThread(text: string): { running: string[]; stopped: string[] } {
  const names = (heading: string): string[] => {
    const [, list] = new RegExp(`^${heading}: (.*)$`, 'm').exec(text) ?? []
    if (list === undefined) throw new Error(`pktgen lists no ${heading.toLowerCase()} devices:\n${text}`)
    return list.split(' ').filter(name => name !== '')
  }
  return { running: names('Running'), stopped: names('Stopped') }
}

/** What the driver took, and what was dropped on the way to it: both left the generator. */
export function sentBy({ sofar, errors, started, stopped }: PktgenReport): Sent {
  return { sent: sofar + errors, nanoseconds: (stopped - started) * 1000 }
}
