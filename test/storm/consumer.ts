import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Link, LinkEvent } from '../../src/index.ts'
import { Random } from '../walk/random.ts'

/** Milliseconds for the last event to come. */
const LONGEST_WAIT = 10_000

/** Keeps a table by nothing but the events, and holds each against what it was told before. Now and then it sleeps. */
export class Consumer {
  events = 0
  /** How often the kernel lost messages. */
  losses = 0
  /** By the namespace's id and the index. */
  readonly table = new Map<string, Link>()
  readonly #random: Random

  constructor(seed: number) {
    this.#random = new Random(seed)
  }

  /** Until they are aborted. */
  async follow(events: AsyncIterable<LinkEvent>): Promise<void> {
    try {
      for await (const event of events) {
        this.#apply(event)
        if (this.#random.chance(0.01)) await sleep(this.#random.next() * 20)
      }
    } catch (error) {
      if ((error as Error).name !== 'AbortError') throw error
    }
  }

  #apply(event: LinkEvent): void {
    this.events++
    if (event.type === 'resync') {
      this.losses += event.losses
      return
    }
    const { netnsId, link } = event
    const key = `${netnsId}/${link.index}`
    const known = this.table.get(key)
    if (event.type === 'added') assert.equal(known, undefined, `${key} is added, and was there`)
    if (event.type === 'changed')
      assert.equal(known, event.old, `${key} is changed, and was otherwise before`)
    if (event.type === 'removed') assert.equal(known, link, `${key} is removed, and was otherwise before`)
    if (event.type === 'removed') this.table.delete(key)
    else this.table.set(key, link)
  }

  /**
   * When the table is what the kernel says, asked afresh: all links by the same keys. That may take as long as the last events
   * are under way. @throws AssertionError
   */
  async settled(kernel: () => ReadonlyMap<string, Link>): Promise<void> {
    for (const deadline = performance.now() + LONGEST_WAIT; ; await sleep(100)) {
      const [told, asked] = [sorted(this.table), sorted(kernel())]
      if (performance.now() > deadline) assert.deepEqual(told, asked)
      else if (!isEqual(told, asked)) continue
      return
    }
  }
}

/** Without counters; and of a bridge without the data in which timers run. */
function sorted(links: ReadonlyMap<string, Link>): [string, Link][] {
  const plain = [...links].map(([key, link]): [string, Link] => {
    const { linkinfo } = link
    const isBridge = link.kind === 'bridge' || linkinfo?.slaveKind === 'bridge'
    const told = isBridge && linkinfo ? { ...linkinfo, data: null, slaveData: null } : linkinfo
    return [key, { ...link, linkinfo: told, stats: null } as Link]
  })
  return plain.toSorted(([a], [b]) => (a < b ? -1 : 1))
}

function isEqual(a: unknown, b: unknown): boolean {
  try {
    assert.deepEqual(a, b)
    return true
  } catch {
    return false
  }
}
