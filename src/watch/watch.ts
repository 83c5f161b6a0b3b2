import { onAbort } from '../kernel/abort.ts'
import type { Limits } from '../kernel/kernel.ts'
import { type Groups, openSubscription, type Subscription } from '../kernel/subscription.ts'
import { InterruptedDumpError } from '../wire/errors.ts'
import type { Operation } from '../wire/operation.ts'
import { Table } from './table.ts'

/** Groups to listen to, and what their messages do to the table. */
export interface Feed<V, E> {
  readonly groups: Groups
  /** A message with the payload view[at, end); nsid: of the namespace it comes from, null for the subscription's own. */
  hear(table: Table<V, E>, view: DataView, at: number, end: number, type: number, nsid: number | null): void
}

/** What there is to watch: objects V, of which events E tell. */
export interface Watched<V, E> {
  /** Asked first. All are subscribed to before anything is listed. */
  feeds(): Operation<readonly Feed<V, E>[]>
  /** The objects whose keys begin with one of the parts: all for '', others only where they were asked for. */
  list(parts: readonly string[], table: Table<V, E>): Operation<Iterable<readonly [key: string, value: V]>>
  /** What is told of a difference; null: nothing. */
  describe(before: V | null, after: V | null): E | null
  /** Whether they are two objects of one key. */
  isAnother?(before: V, after: V): boolean
  /** A part that is to be listed every so often, for what no message tells of. */
  readonly again?: { readonly part: string; readonly milliseconds: number } | undefined
  /** There is nothing left to watch. */
  isOver?(): boolean
  /** What is told when messages were lost, if anything, so many times since it was told last: the events that follow make up for them. */
  resync(losses: number): E | null
}

export type Perform = <T>(operation: Operation<T>, limits: Limits) => Promise<T>

/** Milliseconds before a list is asked for again that changed while it was read, five times in a row. */
const PAUSE = 20

/** Milliseconds without a message after which what was doubted is asked for, and how much of it at once. */
const QUIET = 2
const DOUBTED_AT_ONCE = 64
/** So often it waits for that, or for something else to be listed; then it is asked for whatever comes. */
const PATIENCE = 100

/**
 * Live events, from the first next() on: what there is comes first, as added. It ends, and leaves nothing open, with
 * return(), which is what `break` in a `for await` does, with an error, and with an aborted signal, whose reason next()
 * then throws.
 *
 * The program lives on while next() waits, and only then. One that is neither read nor ended listens on.
 */
export class Watch<V, E> implements AsyncIterableIterator<E, void, void> {
  readonly #watched: Watched<V, E>
  readonly #perform: Perform
  readonly #limits: Limits
  readonly #table: Table<V, E>
  readonly #events: AsyncGenerator<E, void, void>
  readonly #over = new AbortController()
  #subscriptions: Subscription[] = []
  #losses = 0
  #isOpen = false
  /** Calls of next() that wait for the generator. */
  #waiting = 0
  #isListing = false
  #heard = 0
  /** How often what is doubted has waited. */
  #waits = 0
  #wake = () => {}

  constructor(watched: Watched<V, E>, perform: Perform, limits: Limits) {
    this.#watched = watched
    this.#perform = perform
    this.#limits = limits
    this.#table = new Table(
      (before, after) => watched.describe(before, after),
      (before, after) => watched.isAnother?.(before, after) ?? false,
    )
    this.#events = this.#run()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** An event that is there already needs no turn of the generator, which takes some microseconds. */
  next(): Promise<IteratorResult<E, void>> {
    const event = this.#isOpen && this.#waiting === 0 ? this.#take() : null
    if (event !== null) return Promise.resolve({ done: false, value: event })
    this.#waiting++
    return this.#events.next().finally(() => this.#waiting--)
  }

  return(): Promise<IteratorResult<E, void>> {
    this.#end()
    return this.#events.return()
  }

  async *#run(): AsyncGenerator<E, void, void> {
    const { signal } = this.#limits
    const forget = onAbort(signal, () => this.#end(signal?.reason))
    try {
      signal?.throwIfAborted()
      await this.#open()
      for (;;) {
        const event = this.#take()
        if (event !== null) yield event
        else if (this.#isSettled && this.#watched.isOver?.() === true) return
        else await this.#news()
        this.#over.signal.throwIfAborted()
      }
    } catch (error) {
      if (error !== ENDED) throw error
    } finally {
      forget()
      this.#end()
    }
  }

  /** Everything is open, or nothing is. */
  async #open(): Promise<void> {
    const feeds = await this.#ask(this.#watched.feeds())
    this.#over.signal.throwIfAborted()
    for (const feed of feeds) {
      const subscription = openSubscription(feed.groups, () => this.#read(subscription, feed))
      this.#subscriptions.push(subscription)
    }
    this.#isOpen = true
    this.#list()
    const { again } = this.#watched
    if (again !== undefined) this.#repeat(again.part, again.milliseconds)
  }

  #repeat(part: string, milliseconds: number): void {
    const clock = setInterval(() => {
      this.#table.ask(part)
      this.#list()
    }, milliseconds)
    clock.unref()
    this.#over.signal.addEventListener('abort', () => clearInterval(clock))
  }

  /** Nothing is being listed, or is to be. */
  get #isSettled(): boolean {
    return !this.#isListing && !this.#table.isStale && !this.#table.isDoubted
  }

  #take(): E | null {
    const losses = this.#losses
    this.#losses = 0
    const resync = losses > 0 ? this.#watched.resync(losses) : null
    return resync ?? this.#table.take()
  }

  async #news(): Promise<void> {
    for (const subscription of this.#subscriptions) subscription.keepAlive(true)
    await new Promise<void>(resolve => {
      this.#wake = resolve
    })
    for (const subscription of this.#subscriptions) subscription.keepAlive(false)
  }

  #read(subscription: Subscription, feed: Feed<V, E>): void {
    try {
      subscription.read({
        message: (view, at, end, type, nsid) => feed.hear(this.#table, view, at, end, type, nsid),
        lost: () => {
          this.#losses++
          this.#table.lose()
        },
      })
    } catch (error) {
      this.#end(error)
    }
    this.#heard++
    this.#list()
    this.#wake()
  }

  /** Lists what is stale, while messages go on being heard; then what was doubted, once it is quiet. */
  async #list(): Promise<void> {
    if (this.#isListing) return
    this.#isListing = true
    try {
      while (this.#table.isStale || this.#table.isDoubted) {
        if (this.#table.isDoubted) await this.#askDoubted()
        await this.#listOnce()
        this.#wake()
      }
    } catch (error) {
      this.#end(error)
    }
    this.#isListing = false
    this.#wake() // it may have been what the end waited for
  }

  async #listOnce(): Promise<void> {
    const parts = this.#table.beginListing()
    try {
      this.#table.endListing(await this.#ask(this.#watched.list(parts, this.#table)))
    } catch (error) {
      if (!(error instanceof InterruptedDumpError)) throw error
      this.#table.failListing()
      await this.#pause(PAUSE)
    }
  }

  /** Once no message has come for a moment; all of it once it has waited too often. Not where something else is to be listed. */
  async #askDoubted(): Promise<void> {
    for (
      let heard = -1;
      !this.#table.isStale && heard !== this.#heard && this.#waits < PATIENCE;
      this.#waits++
    ) {
      heard = this.#heard
      await this.#pause(QUIET)
      // Where this program was busy the time is up, and what came meanwhile is yet to be heard.
      await new Promise(resolve => setImmediate(resolve))
    }
    const isOverdue = this.#waits >= PATIENCE
    if (this.#table.isStale && !isOverdue) {
      this.#waits++
      return
    }
    this.#waits = 0
    this.#table.askDoubted(isOverdue ? Number.POSITIVE_INFINITY : DOUBTED_AT_ONCE)
  }

  /** It does not keep the program alive. */
  async #pause(milliseconds: number): Promise<void> {
    await new Promise(resolve => setTimeout(resolve, milliseconds).unref())
    this.#over.signal.throwIfAborted()
  }

  /** An end meanwhile ends the question. */
  #ask<T>(operation: Operation<T>): Promise<T> {
    return this.#perform(operation, { timeout: this.#limits.timeout, signal: this.#over.signal })
  }

  /** Closes what is open; what waits wakes up, and next() throws the reason. */
  #end(reason: unknown = ENDED): void {
    if (this.#over.signal.aborted) return
    this.#isOpen = false
    this.#over.abort(reason)
    for (const subscription of this.#subscriptions) subscription.close()
    this.#subscriptions = []
    this.#wake()
  }
}

/** Why a watch ended that was not wanted any more: next() does not throw it. */
const ENDED = new Error('the watch has ended')
