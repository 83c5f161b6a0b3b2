import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Table } from '../../src/watch/table.ts'
import { often } from '../tools/this-run.ts'
import { Random } from '../walk/random.ts'

type Event =
  | { type: 'added'; value: string }
  | { type: 'changed'; old: string; value: string }
  | { type: 'removed'; old: string }

/** Of values that say their key: 'a3:17'. */
function event(before: string | null, after: string | null): Event | null {
  if (after === null) return before === null ? null : { type: 'removed', old: before }
  if (before === null) return { type: 'added', value: after }
  return before === after ? null : { type: 'changed', old: before, value: after }
}

const keyOf = (value: string) => value.slice(0, value.indexOf(':'))

/** Whoever does no more than to apply events. */
class Consumer {
  readonly known = new Map<string, string>()
  readonly events: Event[] = []

  take(table: Table<string, Event>): boolean {
    const event = table.take()
    if (event === null) return false
    this.events.push(event)
    if (event.type === 'added') {
      assert.ok(!this.known.has(keyOf(event.value)), `${event.value} is there already`)
    } else {
      assert.equal(this.known.get(keyOf(event.old)), event.old)
      this.known.delete(keyOf(event.old))
    }
    if (event.type !== 'removed') this.known.set(keyOf(event.value), event.value)
    return true
  }

  takeAll(table: Table<string, Event>): Event[] {
    const from = this.events.length
    while (this.take(table)) {}
    return this.events.slice(from)
  }
}

/** A table that has been listed, and its consumer, who has been told. */
function listed(...values: string[]): { table: Table<string, Event>; consumer: Consumer } {
  const table = new Table<string, Event>(event)
  table.beginListing()
  table.endListing(values.map(value => [keyOf(value), value]))
  const consumer = new Consumer()
  consumer.takeAll(table)
  return { table, consumer }
}

describe('a table', () => {
  test('first has to be listed, and what is said meanwhile counts more', () => {
    const table = new Table<string, Event>(event)
    const consumer = new Consumer()
    assert.deepEqual(table.beginListing(), [''])
    table.put('a', 'a:2')
    table.remove('b')
    assert.deepEqual(consumer.takeAll(table), [])
    table.endListing([
      ['a', 'a:1'],
      ['b', 'b:1'],
      ['c', 'c:1'],
    ])
    consumer.takeAll(table)
    assert.deepEqual([...consumer.known.values()].sort(), ['a:2', 'c:1'])
  })

  test('tells a slow consumer the difference, not the events', () => {
    const { table, consumer } = listed('a:1', 'b:1', 'c:1')
    for (let i = 2; i <= 100_000; i++) {
      table.put('a', `a:${i}`)
      table.put(`new${i}`, `new${i}:1`)
      table.remove(`new${i}`)
    }
    table.put('b', 'b:2')
    table.put('b', 'b:1')
    table.remove('c')
    assert.deepEqual(consumer.takeAll(table), [
      { type: 'changed', old: 'a:1', value: 'a:100000' },
      { type: 'removed', old: 'c:1' },
    ])
  })

  test('tells of each once, in the order of their changes, while some come, go and change between two events', () => {
    const { table, consumer } = listed('a:1', 'b:1', 'c:1')
    for (const value of ['c:2', 'new:1', 'a:2', 'b:2']) table.put(keyOf(value), value)
    assert.ok(consumer.take(table))
    table.remove('new')
    table.put('a', 'a:3')
    table.put('c', 'c:3')
    table.put('new', 'new:2')
    consumer.takeAll(table)
    assert.deepEqual(consumer.events.slice(3), [
      { type: 'changed', old: 'c:1', value: 'c:2' },
      { type: 'added', value: 'new:2' },
      { type: 'changed', old: 'a:1', value: 'a:3' },
      { type: 'changed', old: 'b:1', value: 'b:2' },
      { type: 'changed', old: 'c:2', value: 'c:3' },
    ])
  })

  test('tells of another object with the same key as of another', () => {
    const { table, consumer } = listed('a:1')
    table.remove('a')
    table.put('a', 'a:2')
    assert.deepEqual(consumer.takeAll(table), [
      { type: 'removed', old: 'a:1' },
      { type: 'added', value: 'a:2' },
    ])
  })

  test('after a loss believes the next list, and no message from before it', () => {
    const { table, consumer } = listed('a:1', 'b:1')
    table.ask('a')
    table.beginListing()
    table.put('a', 'a:2') // and then a:3, which was lost
    table.lose()
    table.endListing([['a', 'a:1']])
    table.askDoubted(1)
    assert.deepEqual(table.beginListing(), [''])
    table.endListing([['a', 'a:3']])
    consumer.takeAll(table)
    assert.deepEqual([...consumer.known.values()], ['a:3'])
  })

  test('after a loss lists all of itself first, however much else is doubted', () => {
    const { table } = listed('a:1', 'b:1')
    for (const part of ['a', 'b']) table.askLater(part)
    table.lose()
    table.askDoubted(1)
    assert.deepEqual(table.beginListing(), [''])
    assert.equal(table.isDoubted, false)
  })

  test('lists a part of itself, while the rest goes on', () => {
    const { table, consumer } = listed('a1:1', 'a2:1', 'b1:1')
    table.ask('a')
    assert.deepEqual(table.beginListing(), ['a'])
    table.put('b1', 'b1:2')
    table.put('a1', 'a1:2')
    assert.deepEqual(consumer.takeAll(table), [{ type: 'changed', old: 'b1:1', value: 'b1:2' }])
    table.endListing([['a1', 'a1:1']])
    assert.deepEqual(consumer.takeAll(table), [
      { type: 'removed', old: 'a2:1' },
      { type: 'changed', old: 'a1:1', value: 'a1:2' },
    ])
    assert.equal(table.isStale, false)
  })

  test('lists a part again that was said to be gone while it was listed', () => {
    const { table, consumer } = listed('b1:1')
    table.ask('a')
    table.beginListing()
    table.removePart('a')
    table.endListing([['a1', 'a1:1']]) // read before it was gone
    assert.deepEqual(table.beginListing(), ['a'])
    table.endListing([])
    consumer.takeAll(table)
    assert.deepEqual([...consumer.known.values()], ['b1:1'])
  })

  test('lists anew what could not be listed', () => {
    const table = new Table<string, Event>(event)
    table.beginListing()
    table.put('a', 'a:1')
    table.failListing()
    assert.deepEqual(table.beginListing(), [''])
  })

  test('keeps an object to itself that is not worth an event yet', () => {
    const table = new Table<string, Event>((before, after) => (after === 'a:0' ? null : event(before, after)))
    const consumer = new Consumer()
    table.beginListing()
    table.endListing([['a', 'a:0']])
    assert.deepEqual(consumer.takeAll(table), [])
    table.put('a', 'a:1')
    assert.deepEqual(consumer.takeAll(table), [{ type: 'added', value: 'a:1' }])
    table.put('a', 'a:0')
    table.remove('a')
    assert.deepEqual(consumer.takeAll(table), [{ type: 'removed', old: 'a:1' }])
  })

  for (let seed = 1; seed <= 20; seed++) {
    test(`in the end is as the world is, whatever comes in between and is lost: seed ${seed}`, () =>
      walk(new Random(seed), often(20_000, 1000)))
  }
})

/** A world that changes, messages about it that come later or not at all, and lists that take their time. */
function walk(random: Random, steps: number): void {
  const below = (limit: number) => Math.floor(random.next() * limit)
  const table = new Table<string, Event>(event)
  const consumer = new Consumer()
  const world = new Map<string, string>()
  const messages: (() => void)[] = []
  let [lost, listing] = [0, null as { parts: readonly string[]; seen: [string, string][] | null } | null]

  const say = (message: () => void) => {
    if (lost === 0) messages.push(message)
    else if (--lost === 0) messages.push(() => table.lose())
  }
  const change = (i: number) => {
    const key = `${random.pick(['a', 'b'])}${below(6)}`
    const value = `${key}:${i}`
    if (below(3) > 0) {
      world.set(key, value)
      if (below(4) > 0) say(() => table.put(key, value))
      else say(() => table.ask(key)) // a message that says no more than that something changed
    } else if (below(10) > 0) {
      world.delete(key)
      say(() => table.remove(key))
    } else {
      for (const each of world.keys()) if (each.startsWith('a')) world.delete(each)
      say(() => table.removePart('a'))
    }
  }
  const list = () => {
    if (listing === null) {
      if (!table.isStale) table.askDoubted(2)
      const parts = table.beginListing()
      listing = { parts, seen: null }
    } else if (listing.seen === null) {
      const { parts } = listing
      listing.seen = [...world].filter(([key]) => parts.some(part => key.startsWith(part)))
    } else {
      if (below(10) > 0) table.endListing(listing.seen)
      else table.failListing()
      listing = null
    }
  }

  for (let i = 0; i < steps; i++) {
    const step = below(10)
    if (step < 4) change(i)
    else if (step < 7) messages.shift()?.()
    else if (step < 8) list()
    else if (step < 9) consumer.take(table)
    if (lost === 0 && below(200) === 0) lost = 1 + below(20)
  }
  if (lost > 0) messages.push(() => table.lose())
  for (const deliver of messages) deliver()
  while (listing !== null || table.isStale || table.isDoubted) list()
  consumer.takeAll(table)
  assert.deepEqual([...consumer.known].sort(), [...world].sort())
}
