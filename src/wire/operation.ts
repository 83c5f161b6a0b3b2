import type { Netns } from './netns.ts'

/**
 * An operation is a generator that does no I/O: it yields a question to the outside as plain data and is
 * resumed with the answer. What answers is a kernel: the real one, a recording or a script.
 */
export type Operation<T> = Generator<Ask, T, Answer>

/** Called once per netlink message of an answer: its payload is view[at, end), its nlmsg_type is type. */
export type Sink = (view: DataView, at: number, end: number, type: number) => void

/** A request to netlink. */
export interface NetlinkAsk {
  readonly kind: 'netlink'
  readonly netns: Netns
  /** NETLINK_ROUTE or NETLINK_GENERIC. */
  readonly protocol: number
  /** One request, its nlmsg_seq and nlmsg_pid left zero. */
  readonly bytes: Uint8Array
  /** Offsets in bytes of 32-bit descriptors, to be filled with one of the namespace beside it. */
  readonly descriptors: readonly (readonly [at: number, of: Netns])[]
  /** Changes something: once sent, its outcome is awaited whatever happens. */
  readonly writes: boolean
  readonly each: Sink
}

export type Ask =
  | NetlinkAsk
  /** Several of them at once, none of which needs another's answer: reads are one crossing into the kernel. */
  | { readonly kind: 'together'; readonly questions: readonly NetlinkAsk[] }
  | {
      readonly kind: 'bpf'
      readonly netns: Netns
      /** enum bpf_cmd. */
      readonly command: number
      /** union bpf_attr; the kernel may write into it. */
      readonly attr: Uint8Array
      /**
       * Offsets in attr of 64-bit addresses, to be filled with the address of the buffer beside it. A part of attr
       * itself is a struct behind the union, which may have addresses too.
       */
      readonly pointers: readonly (readonly [at: number, to: Uint8Array])[]
      readonly writes: boolean
    }
  /** Runs a program of type TRACEPOINT at a tracepoint, known by its number in tracefs; answers what holds it there. */
  | { readonly kind: 'perf event'; readonly tracepoint: number; readonly program: number }
  /** What the kernel says of itself in a file, by its path in one of its file systems. */
  | { readonly kind: 'kernel file'; readonly of: 'sysfs' | 'tracefs'; readonly path: string }
  /** Sends an Ethernet frame out of a device, `count` times. */
  | {
      readonly kind: 'frames'
      readonly netns: Netns
      readonly ifindex: number
      readonly frame: Uint8Array
      readonly count: number
    }
  /** Closes a descriptor that an earlier answer gave. */
  | { readonly kind: 'close'; readonly fd: number }
  /** Makes a network namespace: bound to path, or held by the descriptor answered when path is ''. */
  | { readonly kind: 'create netns'; readonly path: string }
  /** Undoes a 'create netns' with a path. */
  | { readonly kind: 'remove netns'; readonly path: string }
  /** The namespaces that can be found by name (bind mounts), or through a process or a thread in them. */
  | { readonly kind: 'namespaces'; readonly held: 'by name' | 'by process' | 'by thread' }
  /** Which namespace a path stands for now. */
  | { readonly kind: 'identify'; readonly netns: Netns }
  /** The kernel's release, and this process. */
  | { readonly kind: 'self' }
  | { readonly kind: 'wait'; readonly milliseconds: number }
  /** From here on, or no longer, nobody may give up waiting: a change is being undone. */
  | { readonly kind: 'shelter'; readonly begins: boolean }
  /** What operations remember from one to the next, for as long as this kernel lives. */
  | { readonly kind: 'memory' }

export interface Answers {
  /** interrupted: the dump changed while it was read, or did not fit; what each() saw is not a snapshot. */
  netlink: { readonly interrupted: boolean }
  /** One each, in order; a failure is one as well. */
  together: readonly (Answers['netlink'] | Failed)[]
  bpf: number
  /** A descriptor. */
  'perf event': number
  'kernel file': Uint8Array
  /** How many were sent. */
  frames: number
  close: null
  'create netns': number
  'remove netns': null
  namespaces: readonly Netns[]
  identify: Netns
  self: Self
  wait: null
  shelter: null
  memory: Map<string, unknown>
}

export interface Self {
  /** uname -r: '6.18.44'. */
  readonly release: string
  /** In its own pid namespace. */
  readonly pid: number
}

/** A failure is an answer too, so that a recording holds it and an operation can undo what it did. */
export type Answer = Answers[Ask['kind']] | Failed
export interface Failed {
  readonly failed: Error
}

/** Asks and returns the answer, or throws the failure: stacks name the operation, and it may catch. */
export function* ask<K extends Ask['kind']>(question: Extract<Ask, { kind: K }>): Operation<Answers[K]> {
  return settled((yield question) as Answers[K] | Failed)
}

/** The answer itself. @throws the failure that it is. */
export function settled<A>(answer: A | Failed): A {
  if (isFailure(answer)) throw answer.failed
  return answer as A
}

/** Runs an operation to its end even when the caller has given up: for undoing what was half done. */
export function* sheltered<T>(operation: Operation<T>): Operation<T> {
  yield* ask<'shelter'>({ kind: 'shelter', begins: true })
  try {
    return yield* operation
  } finally {
    yield* ask<'shelter'>({ kind: 'shelter', begins: false })
  }
}

export function isFailure(answer: unknown): answer is Failed {
  return typeof answer === 'object' && answer !== null && 'failed' in answer
}
