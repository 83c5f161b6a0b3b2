/** One fact that decides whether a redirect arrives, and how it is known. */
export interface Check {
  readonly name:
    | 'kind'
    | 'takes redirects'
    | 'target up'
    | 'frame fits target'
    | 'peer reached'
    | 'peer up'
    | 'peer NAPI'
    | 'peer GRO'
    | 'peer native program'
    | 'frame fits peer'
  readonly device: string
  /** The namespace, in words: 'netns blue'. */
  readonly netns: string
  readonly value: boolean | number | string | null
  /** true: a redirect passes here; false: it fails here; null: this alone decides nothing, or is not known. */
  readonly ok: boolean | null
  /** Which message of the kernel's, or which rule for which kernel, says so. */
  readonly evidence: string
}

/** Where in the kernel a failing redirect shows. */
export interface Place {
  /** The kernel function that refuses the frame. */
  readonly function: string
  /** The tracepoint that reports it, as an error or among its drops; null where none does. */
  readonly tracepoint: 'xdp:xdp_redirect_err' | 'xdp:xdp_devmap_xmit' | null
}

/** One step that helps; a verdict lists those that are needed in the order in which they must be taken. */
export interface Repair {
  readonly action: 'peer up' | 'target up' | 'gro on' | 'gro off and on'
  readonly device: string
  readonly netns: string
  /** What to type in a shell to the same effect. */
  readonly command: string
}

/** Whether a redirect into a veth will arrive, and why. */
export interface Verdict {
  /** null: a fact that decides it cannot be had; the summary says which. */
  readonly delivers: boolean | null
  /** The errno's name that the kernel will report: 'ENXIO'; null when it delivers, or is silent. */
  readonly code: string | null
  readonly where: Place | null
  readonly checks: readonly Check[]
  readonly repairs: readonly Repair[]
  /** One or two sentences for people. */
  readonly summary: string
}
