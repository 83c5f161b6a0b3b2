import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { mulberry32 } from '../../bench/redirect/schedule.ts'
import { driftOf, drifts } from '../../bench/redirect/steadiness.ts'
import { machineDrifts } from '../../bench/redirect/whole-run.ts'
import { madeResults } from './made.ts'

describe('drift', () => {
  it('is the change along the line that fits, which no odd value moves', () => {
    assert.deepEqual(driftOf([100, 101, 102, 103, 104]), { change: 4 / 102, chance: 2 / 120 })
    const odd = driftOf([100, 101, 1000, 103, 104])
    assert.ok(Math.abs(odd.change) < 0.05)
    assert.ok(odd.chance > 0.1)
  })

  it('is none of equal values, of one value, and of zeros', () => {
    assert.deepEqual(driftOf([5, 5, 5, 5, 5]), { change: 0, chance: 1 })
    assert.deepEqual(driftOf([5]), { change: 0, chance: 1 })
    assert.deepEqual(driftOf([0, 0, 0, 0, 1]), { change: 0, chance: 1 })
  })

  it('is as unlikely as the part of all orders that are no more even', () => {
    // Kendall's table for n = 5: of 120 orders 1, 4, 9, 15, 20 … have 0, 1, 2, 3, 4 … pairs the wrong way round.
    assert.equal(Math.round(driftOf([1, 2, 3, 5, 4]).chance * 120), 2 * (1 + 4))
    assert.equal(Math.round(driftOf([5, 4, 2, 1, 3]).chance * 120), 2 * (1 + 4 + 9))
    assert.equal(driftOf([3, 1, 4, 5, 2]).chance, 2 * ((1 + 4 + 9 + 15 + 20) / 120))
  })

  it('counts where it is more than chance and more than is allowed', () => {
    assert.ok(drifts(driftOf([100, 103, 106, 109, 112]), 0.05))
    assert.ok(drifts(driftOf([112, 109, 106, 103, 100]), 0.05))
    assert.ok(!drifts(driftOf([100, 101, 102, 103, 104]), 0.05), 'too small')
    assert.ok(!drifts(driftOf([100, 106, 103, 109, 112]), 0.05), 'not even')
  })

  it('is seldom seen where there is none', () => {
    for (const count of [5, 9, 61, 100]) {
      const random = mulberry32(count)
      let seen = 0
      for (let time = 0; time < 1000; time++) {
        if (drifts(driftOf(Array.from({ length: count }, () => 10 + random())), 0)) seen++
      }
      assert.ok(seen <= 35, `${seen} of 1000 with ${count} values`)
    }
  })
})

describe('the drift of the machine', () => {
  it('is seen in all cases together, where none of them shows it', () => {
    const results = madeResults({ drift: 0.08, noise: 0.03 })
    assert.ok(machineDrifts(results))
  })

  it('is not seen where there is none', () => {
    for (let seed = 1; seed <= 20; seed++)
      assert.ok(!machineDrifts(madeResults({ quick: true, seed, noise: 0.03 })))
  })

  it('is none where nothing arrives', () => {
    assert.ok(!machineDrifts(madeResults({ only: ['native plain'] })))
  })
})
