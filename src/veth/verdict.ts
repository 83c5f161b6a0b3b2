import type { Way } from './way.ts'

/** One fact that decides whether a redirect arrives, and how it is known. */
export interface Check {
  readonly name: CheckName
  readonly device: string
  /** The namespace, in words: 'netns blue'. */
  readonly netns: string
  readonly value: boolean | number | string | null
  /** true: a frame passes here; false: it is lost here; null: this alone decides nothing, or is not known. */
  readonly ok: boolean | null
  /** Which message of the kernel's, or which rule for which kernel, says so. */
  readonly evidence: string
}

/** In the order in which a verdict has them: where the program runs, the target, its peer. */
export type CheckName =
  | 'from'
  | 'from up'
  | 'from runs native programs'
  | 'from program'
  | 'target'
  | 'kind'
  | 'driver'
  | 'program'
  | 'takes redirects'
  | 'takes fragments'
  | 'target up'
  | 'frame fits target'
  | 'peer reached'
  | 'peer up'
  | 'peer GRO'
  | 'peer native program'
  | 'peer NAPI'
  | 'peer wakes'
  | 'peer tx queues'
  | 'frame fits peer'

/** Where in the kernel a frame is lost. */
export interface Place {
  /** The kernel function that refuses or drops it. */
  readonly function: string
  /** The tracepoint that reports it, as an error or among its drops; null where none does. */
  readonly tracepoint: 'xdp:xdp_redirect_err' | 'xdp:xdp_devmap_xmit' | 'xdp:xdp_bulk_tx' | null
  /** The counter that grows, and of which device; null where none does. */
  readonly counter: string | null
}

/** A change that can help. */
export type RepairAction =
  | 'target up'
  | 'peer up'
  | 'gro on'
  | 'gro off and on'
  | 'set channels'
  | 'native program'
  | 'target down and up'

/** What repairRedirect() does only when it is allowed: it occupies the peer's XDP slot, or drops traffic. */
export const TO_BE_ALLOWED = ['native program', 'target down and up'] as const
export type ToBeAllowed = (typeof TO_BE_ALLOWED)[number]

/** One step that helps; a verdict lists those that are needed in the order in which they must be taken. */
export interface Repair {
  readonly action: RepairAction
  readonly end: 'target' | 'peer'
  readonly device: string
  readonly netns: string
  /** What to type in a shell to the same effect. */
  readonly command: string
  /** repairRedirect() takes it only when its `allow` names it. */
  readonly mustBeAllowed: boolean
  /** How many queues 'set channels' sets; null with any other action. */
  readonly channels: { readonly rx: number } | { readonly tx: number } | null
}

/** Whether a frame will arrive at the other end of a veth, and why. */
export interface Verdict {
  /** What was judged: the options, with what was left out filled in. */
  readonly way: Way
  /** null: a fact that decides it cannot be had; the summary says which, and how to get it. */
  readonly delivers: boolean | null
  /** The errno's name that the kernel will report: 'ENXIO'; null when it delivers, or is silent. */
  readonly code: string | null
  readonly where: Place | null
  readonly checks: readonly Check[]
  readonly repairs: readonly Repair[]
  /** A few sentences for people. */
  readonly summary: string
}
