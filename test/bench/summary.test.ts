import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Sample } from '../../bench/redirect/sample.ts'
import { summarize } from '../../bench/redirect/summary.ts'
import { sampleAt } from './made.ts'

const at = (...millions: number[]): Sample[] => millions.map(rate => sampleAt(rate * 1e6, 1))

describe('a summary', () => {
  it('counts frames of all repeats, and the drops by place', () => {
    const drops = [
      { where: 'eth0 rx_dropped', frames: 30 },
      { where: 'veth_xxx0 tx_dropped', frames: 60 },
    ]
    const sample = { ...sampleAt(1e6, 1), sent: 1000, received: 990, delivered: 900, drops }
    const none = { where: 'nic0 rx_dropped', frames: 0 }
    const summary = summarize([sample, { ...sample, drops: [...drops, none] }])
    assert.deepEqual(
      [summary.repeats, summary.sent, summary.delivered, summary.unexplained],
      [2, 2000, 1800, 20],
    )
    assert.deepEqual(summary.drops, [
      { where: 'veth_xxx0 tx_dropped', frames: 120 },
      { where: 'eth0 rx_dropped', frames: 60 },
    ])
  })

  it('gives rates and times of what arrived, and of what was sent', () => {
    const half = at(2, 2, 2, 2, 2).map(sample => ({ ...sample, delivered: sample.delivered / 2 }))
    const { rate, nsPerPacket, offered, kernelNsPerPacket } = summarize(half)
    assert.equal(rate?.median, 1e6)
    assert.equal(nsPerPacket?.median, 1000)
    assert.equal(offered.median, 2e6)
    assert.equal(kernelNsPerPacket, 500)
  })

  it('has no rate where nothing arrives, and no doubt of that', () => {
    const { rate, nsPerPacket, doubts } = summarize(at(1, 2, 3).map(sample => ({ ...sample, delivered: 0 })))
    assert.deepEqual([rate, nsPerPacket, doubts], [null, null, []])
  })

  it('has no time per packet where in most repeats nothing arrives', () => {
    const samples = at(1, 1, 1, 1, 1).map((sample, i) => ({ ...sample, delivered: i === 0 ? 10 : 0 }))
    const { nsPerPacket, doubts } = summarize(samples)
    assert.equal(nsPerPacket, null)
    assert.match(doubts.join(), /uncertain by 100 %/)
  })
})

describe('no conclusion is drawn', () => {
  for (const [why, samples, doubt] of [
    ['from fewer repeats than five', at(1, 1, 1, 1), '4 of the 5 repeats that are needed'],
    ['beyond the stated uncertainty', at(1, 1.2, 1, 1.1, 0.9), 'uncertain by 20 %, more than 15 %'],
    [
      'where each repeat is faster',
      at(1, 1.02, 1.04, 1.06, 1.08),
      'not steady: +8 % from first to last repeat',
    ],
    [
      'where each repeat is slower',
      at(1.08, 1.06, 1.04, 1.02, 1),
      'not steady: -8 % from first to last repeat',
    ],
    [
      'from runs that had not settled',
      at(1, 1, 1, 1, 1).map((sample, i) => ({ ...sample, steady: i < 2 })),
      '3 of 5 runs were not steady',
    ],
  ] as const) {
    it(why, () => assert.deepEqual(summarize(samples).doubts, [doubt]))
  }

  it('but it is from even repeats, with an odd one among them, in whatever order', () => {
    for (const samples of [at(1, 1.01, 0.99, 1, 1.02), at(1, 1.08, 1.02, 1.06, 1.04), at(1, 1, 0.9, 1, 1)]) {
      assert.deepEqual(summarize(samples).doubts, [])
    }
  })
})
