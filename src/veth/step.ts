import type { LinkExcerpt } from '../rtnetlink/link-excerpt.ts'
import { printable } from '../wire/device-ref.ts'
import { type Netns, netnsLabel } from '../wire/netns.ts'
import type { Check, CheckName, Place } from './verdict.ts'

/** One station on a frame's way: what is checked there, and what becomes of a frame that does not pass. */
export interface Step {
  readonly check: Check
  /** null where the frame passes, or nothing is decided. */
  readonly loss: Loss | null
}

/** How a frame is lost; with a check whose `ok` is null: how it may be. */
export interface Loss {
  readonly code: string | null
  readonly where: Place | null
  /** Ends the sentence 'A frame is lost: …'. */
  readonly because: string
}

/** A step at which the frame is lost, or may be. */
export type Losing = Step & { readonly loss: Loss }

/** What a check is about. */
export interface Subject {
  readonly device: string
  readonly netns: string
}

export function subjectOf({ netns, link }: { netns: Netns | null; link: LinkExcerpt }): Subject {
  return { device: link.name, netns: netns === null ? ELSEWHERE : netnsLabel(netns) }
}
const ELSEWHERE = 'a netns out of reach'

/** 'eth0 in netns blue'. */
export function at({ device, netns }: Subject): string {
  return `${printable(device)} in ${netns}`
}

/** A fact that may stop a frame. */
export function step(
  name: CheckName,
  subject: Subject,
  value: Check['value'],
  ok: boolean,
  evidence: string,
  loss: Loss,
): Step {
  return { check: checked(name, subject, value, ok, evidence), loss: ok ? null : loss }
}

/** The same where the frame passes, and nobody needs to know how it would be lost. */
export function passed(name: CheckName, subject: Subject, value: Check['value'], evidence: string): Step {
  return { check: checked(name, subject, value, true, evidence), loss: null }
}

/** A fact that stops nothing by itself. */
export function fact(name: CheckName, subject: Subject, value: Check['value'], evidence: string): Step {
  return { check: checked(name, subject, value, null, evidence), loss: null }
}

/** A fact that may stop a frame, and that cannot be had. */
export function unknown(
  name: CheckName,
  subject: Subject,
  value: Check['value'],
  evidence: string,
  because: string,
): Step {
  return {
    check: checked(name, subject, value, null, evidence),
    loss: { code: null, where: null, because },
  }
}

function checked(
  name: CheckName,
  { device, netns }: Subject,
  value: Check['value'],
  ok: boolean | null,
  evidence: string,
): Check {
  return { name, device, netns, value, ok, evidence }
}

export const FLAGS = 'RTM_GETLINK: IFF_UP in ifi_flags'

/** Where xdp_do_redirect() refuses a frame before it is queued. */
export function refusedBy(fn: string): Place {
  return { function: fn, tracepoint: 'xdp:xdp_redirect_err', counter: null }
}
