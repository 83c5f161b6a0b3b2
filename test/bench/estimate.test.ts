import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  estimate,
  inverse,
  RUN_TO_RUN,
  ranksOutside,
  ratioOf,
  uncertainty,
} from '../../bench/redirect/estimate.ts'
import { mulberry32 } from '../../bench/redirect/schedule.ts'

const near = (actual: number, expected: number, part = 1e-9) =>
  assert.ok(Math.abs(actual / expected - 1) <= part, `${actual} is not ${expected}`)

describe("an estimate's interval", () => {
  it('is from the least to the greatest of five values, widened by what runs differ by', () => {
    const { median, min, max, low, high } = estimate([100, 104, 98, 99, 101])
    assert.deepEqual([median, min, max], [100, 98, 104])
    near(low, 100 * Math.exp(-Math.hypot(Math.log(100 / 98), RUN_TO_RUN)))
    near(high, 100 * Math.exp(Math.hypot(Math.log(1.04), RUN_TO_RUN)))
  })

  it('leaves out of more values what the sign test allows', () => {
    // Of n values, those that lie between the (k + 1)th from either end hold the median with 1 - 2 P(Bin(n, 1/2) <= k).
    assert.deepEqual(
      [1, 5, 7, 8, 9, 11, 15, 21].map(count => ranksOutside(count)),
      [0, 0, 0, 0, 1, 2, 3, 5],
    )
    const { low } = estimate([1, 98, 99, 99, 100, 101, 101, 102, 1000])
    near(low, 100 * Math.exp(-Math.hypot(Math.log(100 / 98), RUN_TO_RUN)))
  })

  it('holds the median as often as it says, whatever the distribution', () => {
    const random = mulberry32(11)
    let held = 0
    for (let time = 0; time < 4000; time++) {
      // Exponential, of the median 1: not symmetric, with a long tail.
      const values = Array.from({ length: 5 }, () => -Math.log2(1 - random()))
      const sorted = values.sort((a, b) => a - b)
      if (sorted[0]! <= 1 && sorted[4]! >= 1) held++
    }
    assert.ok(held / 4000 > 0.925 && held / 4000 < 0.95, `${held} of 4000`)
  })

  it('reaches to 0 where a value is 0', () => {
    const { low, high } = estimate([0, 10, 10, 10, 10])
    assert.equal(low, 0)
    assert.ok(high >= 10 && high < 11)
    assert.deepEqual(estimate([0, 0, 0, 5, 5]), { median: 0, min: 0, max: 5, low: 0, high: 5 })
    assert.equal(uncertainty(estimate([0, 0, 0, 5, 5])), 1)
  })

  it('turns round for what goes the other way', () => {
    const rate = estimate([1e6, 2e6, 4e6])
    const { median, min, max, low, high } = inverse(rate, 1e9)
    assert.deepEqual([median, min, max], [500, 250, 1000])
    near(low, 1e9 / rate.high)
    near(high, 1e9 / rate.low)
  })
})

describe('a ratio', () => {
  it('is as uncertain as both together, which are independent', () => {
    const [one, other] = [
      { median: 120, min: 0, max: 0, low: 120 / 1.03, high: 120 * 1.04 },
      { median: 100, min: 0, max: 0, low: 100 / 1.04, high: 100 * 1.03 },
    ]
    const { ratio, low, high } = ratioOf(one, other)
    near(ratio, 1.2)
    near(low, 1.2 * Math.exp(-Math.hypot(Math.log(1.03), Math.log(1.03))))
    near(high, 1.2 * Math.exp(Math.hypot(Math.log(1.04), Math.log(1.04))))
  })

  it('of two runs of the same thing holds 1 in nine of ten, however noisy, and though runs differ', () => {
    const random = mulberry32(5)
    const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
    for (const [noise, runToRun] of [
      [0.005, 0],
      [0.02, 0],
      [0.05, 0],
      [0.005, 0.012],
      [0.02, 0.012],
    ] as const) {
      const run = () => {
        const day = Math.exp(runToRun * normal())
        return estimate(Array.from({ length: 5 }, () => 1e6 * day * Math.exp(noise * normal())))
      }
      let agree = 0
      for (let time = 0; time < 2000; time++) {
        const { low, high } = ratioOf(run(), run())
        if (low <= 1 && high >= 1) agree++
      }
      assert.ok(agree >= 1800, `${agree} of 2000 agree with noise ${noise} and ${runToRun} between runs`)
    }
  })

  it('sees a difference of a tenth between quiet runs', () => {
    const { low } = ratioOf(estimate([110, 111, 109, 110, 110]), estimate([100, 101, 99, 100, 100]))
    assert.ok(low > 1)
  })
})
