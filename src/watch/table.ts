/**
 * The event of what became of one object; null: it was not there, or is not any more. No event for a new one leaves it
 * unknown to the consumer, until there is more to be said of it.
 */
export type Describe<V, E> = (before: V | null, after: V | null) => E | null

/** Whether they are two objects, one of which took the other's place unseen. */
export type IsAnother<V> = (before: V, after: V) => boolean

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
 * messages say meanwhile is put on top of the list, since each of them is either newer, or followed by a newer one. Of
 * what a message does not tell the whole the rest is listed later, when fewer messages come.
 */
export class Table<V, E> {
  readonly #describe: Describe<V, E>
  readonly #isAnother: IsAnother<V>
  readonly #now = new Map<string, V>()
  readonly #told = new Map<string, V>()
  /** Keys of which the two may differ, and whether the object was gone meanwhile; those first that changed first. */
  readonly #pending = new Map<string, boolean>()
  /** Those of them that come next, the last one first. A map that is begun anew for each passes over all it has lost. */
  #next: string[] = []
  readonly #stale = new Set<string>([''])
  /** Those that can wait. */
  readonly #doubted = new Set<string>()
  /** What is being listed: all parts; and those that are more than the key of one object. */
  #listed: ReadonlySet<string> = NOTHING
  #prefixes: readonly string[] = []
  #said = new Map<string, Said<V>>()

  constructor(describe: Describe<V, E>, isAnother: IsAnother<V> = () => false) {
    this.#describe = describe
    this.#isAnother = isAnother
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
    this.#doubted.delete(key)
    if (!this.#isListed(key)) this.#remove(key)
    else this.#said.set(key, { value: null, wasGone: true })
  }

  /** A message told that the whole part is gone. */
  removePart(part: string): void {
    // The key of an object is the part that has nothing else: there is no need to look at all.
    for (const key of this.get(part) === undefined ? this.keys(part) : [part]) this.remove(key)
    // What is being listed may yet bring objects that nobody has told of.
    if ([...this.#listed].some(listed => overlap(part, listed))) this.ask(part)
    else this.#stale.delete(part)
  }

  /** A part whose state is not known (any more): it will be listed. */
  ask(part: string): void {
    if (this.#stale.has('')) return
    if (part === '') {
      this.#stale.clear()
      this.#doubted.clear()
    }
    this.#doubted.delete(part)
    this.#stale.add(part)
  }

  /** The same, but it can wait until fewer messages come. */
  askLater(part: string): void {
    if (!this.#stale.has('') && !this.#stale.has(part)) this.#doubted.add(part)
  }

  /** Messages were lost: what was said before is older than what will be listed. More may be lost until it is quiet. */
  lose(): void {
    this.#said.clear()
    this.askLater('')
  }

  get isStale(): boolean {
    return this.#stale.size > 0
  }

  get isDoubted(): boolean {
    return this.#doubted.size > 0
  }

  /** Some of what could wait waits no longer; what comprises all the rest goes first. */
  askDoubted(most: number): void {
    if (this.#doubted.has('')) this.ask('')
    let count = 0
    for (const part of this.#doubted) {
      if (count++ === most) return
      this.ask(part)
    }
  }

  /** Which parts are to be listed now, to be followed by one of the next two where there are any. */
  beginListing(): readonly string[] {
    const parts = [...this.#stale]
    this.#stale.clear()
    this.#listed = new Set(parts)
    this.#prefixes = parts.filter(part => !this.#now.has(part))
    return parts
  }

  /** All objects of the parts. */
  endListing(objects: Iterable<readonly [key: string, value: V]>): void {
    const fresh = new Map(objects)
    for (const part of this.#listed) if (!fresh.has(part)) this.#remove(part)
    const prefixes = this.#prefixes.filter(part => !fresh.has(part))
    for (const key of prefixes.length === 0 ? [] : this.#now.keys()) {
      if (!fresh.has(key) && prefixes.some(part => key.startsWith(part))) this.#remove(key)
    }
    for (const [key, value] of fresh) this.#put(key, value)
    this.#goOn()
  }

  /** They could not be listed: they are to be listed again. */
  failListing(): void {
    for (const part of this.#listed) this.ask(part)
    this.#goOn()
  }

  /** What the consumer does not know yet: one event, null when there is nothing. */
  take(): E | null {
    while (this.#pending.size > 0) {
      if (this.#next.length === 0) this.#next = [...this.#pending.keys()].reverse()
      const key = this.#next.pop()!
      const wasGone = this.#pending.get(key)
      if (wasGone === undefined) continue // it came and went meanwhile
      const event = this.#tell(key, wasGone)
      if (event !== null) return event
    }
    return null
  }

  /** The difference between the two; what took another one's place is gone first, and added the next time. */
  #tell(key: string, wasGone: boolean): E | null {
    const before = this.#told.get(key) ?? null
    const after = this.#now.get(key) ?? null
    const isReplaced = before !== null && after !== null && (wasGone || this.#isAnother(before, after))
    const next = isReplaced ? null : after
    const event = this.#describe(before, next)
    if (isReplaced) {
      this.#pending.set(key, false)
      this.#next.push(key)
    } else {
      this.#pending.delete(key)
    }
    if (next === null) this.#told.delete(key)
    else if (event !== null) this.#told.set(key, next)
    return event
  }

  #isListed(key: string): boolean {
    return this.#listed.has(key) || this.#prefixes.some(part => key.startsWith(part))
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
    this.#listed = NOTHING
    this.#prefixes = []
    for (const [key, { value, wasGone }] of said) {
      if (wasGone) this.#remove(key)
      if (value !== null) this.#put(key, value)
    }
  }
}

const NOTHING: ReadonlySet<string> = new Set()

function overlap(part: string, other: string): boolean {
  return part.startsWith(other) || other.startsWith(part)
}
