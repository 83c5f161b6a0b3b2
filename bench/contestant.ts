import type { Scene } from './scene.ts'
import type { What, Work } from './works.ts'

/** Whom the bounds are about, and to what. */
export const OURS_SYNC = 'veth-nl/sync'
export const OURS_PROMISES = 'veth-nl, promises'
export const RAW_C = 'raw C, not decoded'

/** Someone who does works: a row in the table of each work that it can do. */
export interface Contestant {
  readonly name: string
  readonly can: readonly What[]
  /** Compiled as it runs, in this process: its first rounds do not count. */
  readonly warmsUp?: true
  /** Where its turn takes too long, it takes part in some of the rounds only. */
  readonly slow?: boolean
  /** Does the work as often as it says, one after the other, after the warm-up. @returns the mean in nanoseconds. */
  turn(work: Work): Promise<number>
  /** What memory a link takes that it keeps, in a process of its own. */
  readonly keep?: (scene: Scene) => Promise<KeptBytes>
  readonly start?: () => StartCommands
}

/** Bytes of each link: by which the process's resident memory grows, and of a heap that knows what is in it. */
export interface KeptBytes {
  readonly resident: number
  readonly heap?: number
}

export type Runtime = 'Node' | 'C' | 'Go' | 'Python'

/** Whole processes. */
export interface StartCommands {
  readonly runtime: Runtime
  /** Asks for lo and ends. */
  readonly asks: readonly string[]
  /** Prints the nanoseconds of loading the library, in a runtime that loads when it runs. */
  readonly imports?: readonly string[]
  readonly env?: Record<string, string>
}

/** Nanoseconds that the work took. */
export function timed(work: () => unknown): number {
  const begun = performance.now()
  work()
  return (performance.now() - begun) * 1e6
}

export async function timedAsync(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await work()
  return (performance.now() - begun) * 1e6
}
