import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type LinkEvent, watchLinks } from '../../src/index.ts'
import { createNetns, type Link, listLinks, type NetnsHandle } from '../../src/sync.ts'
import { EXTENSION, LOADER } from '../tools/this-run.ts'
import { Random } from '../walk/random.ts'

const CHANGES = fileURLToPath(new URL(`./changes${EXTENSION}`, import.meta.url))
/** Among which links go to and fro. */
const NAMESPACES = 3
/** Bytes: less than one link's message takes in the kernel, so that no two have room. */
export const SMALL = 1024
/** Milliseconds for the last event to come. */
const LONGEST_WAIT = 5000

export interface Storm {
  readonly seed: number
  readonly changes: number
  /** Bytes; small enough, and the kernel loses messages. */
  readonly receiveBuffer?: number | undefined
}

export interface Outcome {
  events: number
  /** How often the kernel lost messages. */
  losses: number
  links: number
}

/** Lets a process change links while a consumer that sleeps follows. @throws AssertionError where it is wrong in the end. */
export async function storm({ seed, changes, receiveBuffer }: Storm): Promise<Outcome> {
  const places = Array.from({ length: NAMESPACES }, () => createNetns())
  const stopped = new AbortController()
  const consumer = new Consumer(seed)
  const following = consumer.follow(watchLinks({ netns: places, signal: stopped.signal, receiveBuffer }))
  try {
    const words = [...LOADER, CHANGES, seed, changes, NAMESPACES].map(String)
    const child = spawn(process.execPath, words, {
      stdio: ['ignore', 'inherit', 'inherit', ...places.map(({ fd }) => fd!)],
    })
    const [status] = await Promise.race([once(child, 'exit'), following.then(() => ['the watch ended'])])
    assert.equal(status, 0)
    await consumer.settled(places)
  } finally {
    stopped.abort()
    await following
    for (const netns of places) netns.remove()
  }
  return consumer.outcome()
}

/** Keeps a table by nothing but the events, and holds each against what it was told before. */
class Consumer {
  readonly #random: Random
  readonly #table = new Map<string, Link>()
  #events = 0
  #losses = 0

  constructor(seed: number) {
    this.#random = new Random(seed + 1)
  }

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
    this.#events++
    if (event.type === 'resync') {
      this.#losses += event.losses
      return
    }
    const key = `${event.netns!.path} ${event.link.index}`
    const known = this.#table.get(key)
    if (event.type === 'added') assert.equal(known, undefined, `${key} is added, and was there`)
    if (event.type === 'changed')
      assert.equal(known, event.old, `${key} is changed, and was otherwise before`)
    if (event.type === 'removed')
      assert.equal(known, event.link, `${key} is removed, and was otherwise before`)
    if (event.type === 'removed') this.#table.delete(key)
    else this.#table.set(key, event.link)
  }

  /** When the table is what the kernel says; which may take as long as its last events are under way. */
  async settled(places: readonly NetnsHandle[]): Promise<void> {
    for (const deadline = performance.now() + LONGEST_WAIT; ; await sleep(100)) {
      const [table, kernel] = [sorted(this.#table), sorted(asked(places))]
      if (performance.now() > deadline) assert.deepEqual(table, kernel)
      else if (!isEqual(table, kernel)) continue
      return
    }
  }

  outcome(): Outcome {
    return { events: this.#events, losses: this.#losses, links: this.#table.size }
  }
}

/** All links as a fresh dump has them, without counters. */
function asked(places: readonly NetnsHandle[]): Map<string, Link> {
  const links = new Map<string, Link>()
  for (const netns of places) {
    for (const link of listLinks({ netns })) {
      link.stats = null
      links.set(`${netns.path} ${link.index}`, link)
    }
  }
  return links
}

/** A bridge's timers run, in the kernel's data of its own. */
function sorted(links: ReadonlyMap<string, Link>): [string, Link][] {
  const all = [...links].toSorted(([a], [b]) => (a < b ? -1 : 1))
  return all.map(([key, link]) => {
    const { linkinfo } = link
    const isBridge = link.kind === 'bridge' || linkinfo?.slaveKind === 'bridge'
    return [
      key,
      isBridge ? ({ ...link, linkinfo: { ...linkinfo, data: null, slaveData: null } } as Link) : link,
    ]
  })
}

function isEqual(a: unknown, b: unknown): boolean {
  try {
    assert.deepEqual(a, b)
    return true
  } catch {
    return false
  }
}
