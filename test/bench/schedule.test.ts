import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { casesOf, idOf } from '../../bench/redirect/matrix.ts'
import { mulberry32, schedule } from '../../bench/redirect/schedule.ts'

const cases = casesOf({ only: [], quick: false }, 4)
const idsOf = (seed: number) => schedule(cases, 5, seed).map(turn => idOf(turn.case))

describe('the schedule', () => {
  it('has every case once in each repeat, and numbers the turns', () => {
    const turns = schedule(cases, 5, 1)
    assert.deepEqual(
      turns.map(({ turn }) => turn),
      Array.from({ length: 5 * cases.length }, (_, at) => at),
    )
    for (let repeat = 0; repeat < 5; repeat++) {
      const own = turns.filter(turn => turn.repeat === repeat)
      assert.deepEqual(own.map(turn => idOf(turn.case)).sort(), cases.map(idOf).sort())
    }
  })

  it('is decided by its seed', () => {
    assert.deepEqual(idsOf(7), idsOf(7))
    assert.notDeepEqual(idsOf(7), idsOf(8))
  })

  it('has another order in each repeat', () => {
    const order = idsOf(7)
    assert.notDeepEqual(order.slice(0, cases.length), order.slice(cases.length, 2 * cases.length))
  })

  it('puts no case at a preferred place', () => {
    const three = cases.slice(0, 3)
    const first = schedule(three, 6000, 3).filter(({ turn }) => turn % 3 === 0)
    for (const each of three) {
      const times = first.filter(turn => turn.case === each).length
      assert.ok(Math.abs(times - 2000) < 200, `${times} of 6000`)
    }
  })
})

it('mulberry32 gives the numbers that its author gives', () => {
  // By the C of https://gist.github.com/tommyettinger/46a874533244883189143505d203312c, for the seed 1.
  const random = mulberry32(1)
  assert.deepEqual(
    [random(), random(), random()].map(value => Math.round(value * 2 ** 32)),
    [2693262067, 11749833, 2265367787],
  )
})
