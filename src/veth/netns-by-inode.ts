import { type Netns, OWN_NETNS } from '../wire/netns.ts'
import { ask, type Operation } from '../wire/operation.ts'
import { inodeNow } from './netns-search.ts'

/** Where namespaces are looked for, the quickest first. */
const HELD = ['by name', 'by process', 'by thread'] as const

/**
 * Finds namespaces by their inode numbers, which is what the kernel's memory tells, for one moment: each list is made
 * once at most.
 */
export class NetnsByInode {
  /** Those that were asked for and found: where to look first the next time. */
  readonly found = new Map<number, Netns>()
  readonly #before: ReadonlyMap<number, Netns>
  readonly #listed = new Map<number, Netns>()
  #lists = 0

  constructor(before: ReadonlyMap<number, Netns>) {
    this.#before = before
  }

  /** null where no name, process or thread that may be looked at leads to it. */
  *find(inode: number): Operation<Netns | null> {
    const netns = this.found.get(inode) ?? (yield* this.#search(inode))
    if (netns !== null) this.found.set(inode, netns)
    return netns
  }

  *#search(inode: number): Operation<Netns | null> {
    for (const likely of [this.#before.get(inode), OWN_NETNS]) {
      if (likely !== undefined && (yield* inodeNow(likely)) === inode) return likely
    }
    while (!this.#listed.has(inode) && this.#lists < HELD.length) {
      const held = HELD[this.#lists++]!
      for (const netns of yield* ask<'namespaces'>({ kind: 'namespaces', held })) {
        if (netns.inode !== null && !this.#listed.has(netns.inode)) this.#listed.set(netns.inode, netns)
      }
    }
    return this.#listed.get(inode) ?? null
  }
}
