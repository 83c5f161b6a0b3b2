/**
 * The event of what became of one object; null: it was not there, or is not any more. No event for a new one leaves it
 * unknown to the consumer, until there is more to be said of it.
 */
export type Describe<V, E> = (before: V | null, after: V | null) => E | null

/** What messages said of an object while a listing was under way. */
interface Said<V> {
  value: V | null
  /** It was gone meanwhile: one of that key is another one now. */
  wasGone: boolean
}

/**
 * The objects of a watch, by key: as the kernel last told of them, and as the consumer knows them. What it is told is the
 * difference at the moment when it asks, so a slow consumer costs memory by the number of objects, not of events.
 *
 * A part of the table is the keys that begin alike; '' is all of it. A part whose state is not known is listed: what
 * messages say meanwhile is put on top of the list, since each of them is either newer, or followed by a newer one.
 */
export class Table<V, E> {
  readonly #describe: Describe<V, E>
  readonly #now = new Map<string, V>()
  readonly #told = new Map<string, V>()
  /** Keys of which the two may differ, and whether the object was gone meanwhile; those first that changed first. */
  readonly #pending = new Map<string, boolean>()
  readonly #stale = new Set<string>([''])
  #listing: string | null = null
  #said = new Map<string, Said<V>>()

  constructor(describe: Describe<V, E>) {
    this.#describe = describe
  }

  /** As the kernel last told, if it has. */
  get(key: string): V | undefined {
    const said = this.#said.get(key)
    return said === undefined ? this.#now.get(key) : (said.value ?? undefined)
  }

  /** The keys of a part. */
  keys(part: string): string[] {
    const keys = new Set([...this.#now.keys(), ...this.#said.keys()])
    return [...keys].filter(key => key.startsWith(part) && this.get(key) !== undefined)
  }

  /** A message told what the object is like. */
  put(key: string, value: V): void {
    if (!this.#isListed(key)) this.#put(key, value)
    else this.#said.set(key, { value, wasGone: this.#said.get(key)?.wasGone ?? false })
  }

  /** A message told that it is gone. */
  remove(key: string): void {
    this.#stale.delete(key)
    if (!this.#isListed(key)) this.#remove(key)
    else this.#said.set(key, { value: null, wasGone: true })
  }

  /** A message told that the whole part is gone. */
  removePart(part: string): void {
    for (const key of this.keys(part)) this.remove(key)
    // What is being listed may yet bring objects that nobody has told of.
    if (this.#listing === null || !overlap(part, this.#listing)) this.#stale.delete(part)
    else this.ask(part)
  }

  /** A part whose state is not known (any more): it will be listed. */
  ask(part: string): void {
    if (!this.#stale.has('')) this.#stale.add(part)
  }

  /** Messages were lost: what was said before is older than what will be listed. */
  lose(): void {
    this.#said.clear()
    this.#stale.clear()
    this.#stale.add('')
  }

  get isStale(): boolean {
    return this.#stale.size > 0
  }

  /** Which part is to be listed now, to be followed by one of the next two; null: none. */
  beginListing(): string | null {
    const [part = null] = this.#stale
    if (part !== null) this.#stale.delete(part)
    this.#listing = part
    return part
  }

  /** All objects of the part. */
  endListing(objects: Iterable<readonly [key: string, value: V]>): void {
    const part = this.#listing ?? ''
    const fresh = new Map(objects)
    for (const key of this.#now.keys()) if (key.startsWith(part) && !fresh.has(key)) this.#remove(key)
    for (const [key, value] of fresh) this.#put(key, value)
    this.#goOn()
  }

  /** It could not be listed: it is to be listed again. */
  failListing(): void {
    this.ask(this.#listing ?? '')
    this.#goOn()
  }

  /** What the consumer does not know yet: one event, null when there is nothing. */
  take(): E | null {
    for (const [key, wasGone] of this.#pending) {
      const before = this.#told.get(key) ?? null
      const after = this.#now.get(key) ?? null
      const isReplaced = wasGone && before !== null && after !== null
      const next = isReplaced ? null : after
      const event = this.#describe(before, next)
      if (isReplaced) this.#pending.set(key, false)
      else this.#pending.delete(key)
      if (next === null) this.#told.delete(key)
      else if (before !== null || event !== null) this.#told.set(key, next)
      if (event !== null) return event
    }
    return null
  }

  #isListed(key: string): boolean {
    return this.#listing !== null && key.startsWith(this.#listing)
  }

  #put(key: string, value: V): void {
    this.#now.set(key, value)
    this.#pending.set(key, this.#pending.get(key) ?? false)
  }

  #remove(key: string): void {
    if (!this.#now.delete(key)) return
    if (this.#told.has(key)) this.#pending.set(key, true)
    else this.#pending.delete(key)
  }

  #goOn(): void {
    const said = this.#said
    this.#said = new Map()
    this.#listing = null
    for (const [key, { value, wasGone }] of said) {
      if (wasGone) this.#remove(key)
      if (value !== null) this.#put(key, value)
    }
  }
}

function overlap(part: string, other: string): boolean {
  return part.startsWith(other) || other.startsWith(part)
}
