import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Counters, NOWHERE, outcome } from '../../bench/redirect/counters.ts'
import { LinkStats } from '../../src/rtnetlink/link-stats.ts'

const NAMES = { from: 'gen0', nic: 'nic0', target: 'veth0', peer: 'eth0' }

type Some = { readonly [end in keyof Counters]?: Partial<LinkStats> }

/** A reading in which these counters have some value, and others of others. */
function reading(some: Some, other = 0n): Counters {
  const end = (of: Partial<LinkStats> = {}) => {
    const stats = new LinkStats()
    for (const [field, value] of Object.entries(of)) stats[field as keyof LinkStats] = value + other
    return stats
  }
  return { from: end(some.from), nic: end(some.nic), target: end(some.target), peer: end(some.peer) }
}

/** What 100 frames came to, by counters that had counted 7 before. */
function of100(some: Some) {
  const zero = Object.fromEntries(
    Object.entries(some).map(([end, of]) => [
      end,
      Object.fromEntries(Object.keys(of).map(field => [field, 0n])),
    ]),
  )
  const result = outcome(100, reading(zero, 7n), reading(some, 7n), NAMES)
  const lost = result.drops.reduce((sum, { frames }) => sum + frames, 0)
  assert.equal(result.delivered + lost, 100, 'to the frame')
  return result
}

test('all that arrives is lost nowhere', () => {
  assert.deepEqual(of100({ nic: { rxPackets: 100n }, peer: { rxPackets: 100n } }), {
    received: 100,
    delivered: 100,
    drops: [],
  })
})

test('what the NIC refuses to redirect is its own', () => {
  assert.deepEqual(of100({ nic: { rxPackets: 100n, rxDropped: 100n } }).drops, [
    { where: 'nic0 rx_dropped', frames: 100 },
  ])
})

test('what a full ring did not take counts once, though both ends of the veth counted it', () => {
  assert.deepEqual(
    of100({
      from: { txDropped: 30n },
      nic: { rxPackets: 70n, rxDropped: 30n },
      target: { txDropped: 20n },
      peer: { rxPackets: 50n, rxDropped: 20n },
    }).drops,
    [
      { where: 'gen0 tx_dropped', frames: 30 },
      { where: 'veth0 tx_dropped', frames: 20 },
    ],
  )
})

test('what a counter has explained before the NIC it does not explain behind it', () => {
  assert.deepEqual(of100({ nic: { rxPackets: 70n, rxDropped: 50n }, peer: { rxPackets: 20n } }).drops, [
    { where: 'nic0 rx_dropped', frames: 30 },
    { where: 'nic0 rx_dropped', frames: 20 },
    { where: `${NOWHERE}, behind nic0`, frames: 30 },
  ])
})

test("drops of the stack behind the peer are none of the redirect's", () => {
  const { drops } = of100({ nic: { rxPackets: 100n }, peer: { rxPackets: 100n, rxDropped: 100n } })
  assert.deepEqual(drops, [])
})

test('what no counter tells is said, and on which side of the NIC', () => {
  assert.deepEqual(of100({ nic: { rxPackets: 90n }, peer: { rxPackets: 80n } }).drops, [
    { where: `${NOWHERE}, before nic0`, frames: 10 },
    { where: `${NOWHERE}, behind nic0`, frames: 10 },
  ])
})
