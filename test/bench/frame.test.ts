import assert from 'node:assert/strict'
import { test } from 'node:test'
import { udpFrame } from '../../bench/redirect/frame.ts'
import { shares, together } from '../../bench/redirect/generator.ts'

const NIC = Uint8Array.of(2, 4, 6, 8, 10, 12)

test('a frame is a UDP datagram of just that many bytes to that address', () => {
  for (const size of [42, 64, 512, 1500]) {
    const view = new DataView(udpFrame(size, NIC, 3).buffer)
    assert.equal(view.byteLength, size)
    assert.deepEqual(new Uint8Array(view.buffer, 0, 6), NIC)
    assert.equal(view.getUint8(6) & 3, 2, 'the source is locally administered, and no group')
    assert.equal(view.getUint16(12), 0x0800)
    assert.equal(view.getUint16(16), size - 14, 'total length')
    assert.equal(view.getUint8(23), 17)
    assert.equal(view.getUint16(34), 12, "the flow's source port")
    assert.equal(view.getUint16(38), size - 34, 'length of the datagram')
  }
})

test("a frame's IP header adds up as RFC 1071 wants it", () => {
  const view = new DataView(udpFrame(64, NIC).buffer)
  let sum = 0
  for (let at = 14; at < 34; at += 2) sum += view.getUint16(at)
  assert.equal((sum & 0xffff) + (sum >>> 16), 0xffff)
})

test('frames are shared among CPUs to the last one', () => {
  assert.deepEqual(shares(10, 3), [4, 3, 3])
  assert.deepEqual(shares(2, 3), [1, 1, 0])
})

test('what CPUs send at the same time takes what their rates together make of it', () => {
  const each = { sent: 1000, nanoseconds: 500 }
  assert.deepEqual(together([each]), each)
  assert.deepEqual(together([each, each]), { sent: 2000, nanoseconds: 500 })
  assert.deepEqual(together([each, { sent: 0, nanoseconds: 100 }]), each)
  assert.deepEqual(together([]), { sent: 0, nanoseconds: 0 })
})
