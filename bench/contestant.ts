/** Uncounted requests for one link before those that count. */
export const WARM_UP_GETS = 200

/** One way to ask the kernel for links: a row of the table. A further peer is one more of these (see contestants.ts). */
export interface Contestant {
  readonly name: string
  /** Asks for one link by name, `count` times after the warm-up, one after the other. @returns the mean in nanoseconds. */
  getLink(count: number): Promise<number>
  /** Asks for all links, a second time after an uncounted first. @returns nanoseconds. */
  listLinks(): Promise<number>
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
