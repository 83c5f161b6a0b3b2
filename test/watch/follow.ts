import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Link, type LinkEvent, type WatchOptions, watchLinks } from '../../src/index.ts'

/** An event about a device. */
export type DeviceEvent = Exclude<LinkEvent, { type: 'resync' }>

/** Milliseconds for an event to come. */
const LONGEST_WAIT = 5000

/** The events of a watch as they come, until the test ends. */
export class Follower {
  readonly events: DeviceEvent[] = []
  /** As the events have it, by the namespace's id and the index. */
  readonly table = new Map<string, Link>()
  /** It has ended: with an error, or null. */
  ended: unknown

  constructor(t: TestContext, options: WatchOptions) {
    const stopped = new AbortController()
    const following = this.#follow(watchLinks({ signal: stopped.signal, ...options }))
    t.after(async () => {
      stopped.abort()
      await following
    })
  }

  async #follow(events: AsyncIterable<LinkEvent>): Promise<void> {
    try {
      for await (const event of events) {
        if (event.type === 'resync') continue
        this.events.push(event)
        const key = `${event.netnsId}/${event.link.index}`
        if (event.type === 'removed') this.table.delete(key)
        else this.table.set(key, event.link)
      }
      this.ended = null
    } catch (error) {
      this.ended = error
    }
  }

  /** The first event that meets it and has not been returned before. Those before it are passed over. */
  async next(what: string, meets: (event: DeviceEvent) => boolean): Promise<DeviceEvent> {
    await this.until(what, () => this.events.some(meets))
    const at = this.events.findIndex(meets)
    return this.events.splice(0, at + 1).at(-1)!
  }

  /** The next event of this kind about a device of this name. */
  async told<T extends DeviceEvent['type']>(type: T, name: string): Promise<DeviceEvent & { type: T }> {
    const event = await this.next(
      `${type} ${name}`,
      ({ type: kind, link }) => kind === type && link.name === name,
    )
    return event as DeviceEvent & { type: T }
  }

  async until(what: string, isSo: () => boolean): Promise<void> {
    await waitUntil(what, isSo, () => `${this.#said()}${this.ended === undefined ? '' : ', and the end'}`)
  }

  #said(): string {
    return (
      this.events.map(({ type, netnsId, link }) => `${type} ${netnsId}/${link.name}`).join(', ') || 'nothing'
    )
  }
}

/** instead: what is so. */
export async function waitUntil(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  instead = () => 'something else',
): Promise<void> {
  for (const deadline = performance.now() + LONGEST_WAIT; !(await isSo()); await sleep(5)) {
    assert.ok(performance.now() < deadline, `not told: ${what}; but ${instead()}`)
  }
}
