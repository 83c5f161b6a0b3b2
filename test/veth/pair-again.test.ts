import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MOST_REMEMBERED, Remembered } from '../../src/veth/pair-again.ts'
import { OWN_NETNS } from '../../src/wire/netns.ts'

/** Goes over the devices one after the other, as a sweep does; returns how many of them were remembered. */
function sweep(remembered: Remembered<number>, count: number): number {
  let found = 0
  for (let device = 0; device < count; device++) {
    const ref = { netns: OWN_NETNS, device }
    if (remembered.take(ref) === device) found++
    remembered.keep(ref, device)
  }
  return found
}

test('of some more devices than are remembered most still are when their turn comes again', () => {
  const remembered = new Remembered<number>()
  const count = MOST_REMEMBERED + MOST_REMEMBERED / 16
  assert.equal(sweep(remembered, count), 0)
  for (let round = 0; round < 5; round++) {
    const found = sweep(remembered, count)
    assert.ok(found > MOST_REMEMBERED / 2 && found < count, `${found}`)
  }
})

test('no more than that are remembered, and what is taken is nobody else’s', () => {
  const remembered = new Remembered<number>()
  sweep(remembered, 3 * MOST_REMEMBERED)
  const refs = Array.from({ length: 3 * MOST_REMEMBERED }, (_, device) => ({ netns: OWN_NETNS, device }))
  assert.equal(refs.filter(ref => remembered.take(ref) !== undefined).length, MOST_REMEMBERED)
  assert.equal(refs.filter(ref => remembered.take(ref) !== undefined).length, 0)
})
