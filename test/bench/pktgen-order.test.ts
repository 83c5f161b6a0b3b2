import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  checkOptions,
  checkOrder,
  commandsFor,
  parsePktgenOptions,
} from '../../bench/redirect/pktgen-order.ts'

const order = { frames: 1000, size: 64, cores: [0, 1], destination: Uint8Array.of(2, 0, 0, 0, 0, 0xab) }

test('each core has flows and a queue of its own', () => {
  const commands = commandsFor(order, { flows: 4, delay: 10 }, 1, 500, 3)
  for (const command of [
    'count 500',
    'pkt_size 64',
    'delay 10',
    'dst_mac 02:00:00:00:00:ab',
    'udp_src_min 49156',
    'udp_src_max 49160',
    'queue_map_min 3',
    'queue_map_max 3',
  ])
    assert.ok(commands.includes(command), command)
  assert.ok(!commands.some(command => /clone_skb|burst/.test(command)))
  assert.ok(commandsFor(order, { clones: 8, burst: 2 }, 0, 1, 0).join().includes('clone_skb 8,burst 2'))
})

test('orders that mean nothing, or that pktgen would take for others, are refused', () => {
  checkOrder(order)
  checkOrder({ ...order, frames: 0, milliseconds: 10 })
  for (const wrong of [
    { frames: 0 },
    { frames: 1.5 },
    { frames: 1e10 },
    { frames: 1 },
    { size: 57 },
    { cores: [] },
    { cores: [0, 0] },
    { cores: [-1] },
    { destination: new Uint8Array(5) },
  ])
    assert.throws(() => checkOrder({ ...order, ...wrong }), RangeError, JSON.stringify(wrong))
})

test('flows whose ports would begin again at 0 are refused', () => {
  checkOrder(order, { flows: 8191 })
  assert.ok(commandsFor(order, { flows: 8191 }, 1, 1, 0).includes('udp_src_max 65534'))
  assert.throws(
    () => checkOrder(order, { flows: 8192 }),
    /RangeError: pktgen has .* 8191 flows from each of 2 CPUs/,
  )
  checkOptions({ flows: 16_383 })
  assert.throws(
    () => parsePktgenOptions('flows=16384'),
    /RangeError: .* 16383 flows from each of 1 CPUs, not for 16384/,
  )
})

test('settings are whole numbers in words', () => {
  assert.deepEqual(parsePktgenOptions('flows=64 queues=1,0'), { flows: 64, queues: [1, 0] })
  assert.throws(() => parsePktgenOptions('flows=0'), /flows is a whole number from 1 on, not 0/)
  assert.throws(() => checkOptions({ queues: [] }), /by one queue at least/)
  assert.throws(() => checkOptions({ delay: -1 }), RangeError)
})
