import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Message } from '../../src/wire/message.ts'
import { NETLINK_ROUTE, NLM_F } from '../../src/wire/netlink.ts'
import { OWN_NETNS } from '../../src/wire/netns.ts'
import { Writer } from '../../src/wire/writer.ts'
import { hex, notLittleEndian } from '../tools/attributes.ts'

describe('a writer', { skip: notLittleEndian }, () => {
  test('pads each attribute to four bytes with zeros, and does not count the padding', () => {
    for (const [payload, expected] of [
      ['', '0400 0100'],
      ['01', '0500 0100 01 000000'],
      ['010203', '0700 0100 010203 00'],
      ['01020304', '0800 0100 01020304'],
    ] as const) {
      const writer = new Writer()
      writer.attribute(1, () => writer.raw(hex(payload)))
      assert.deepEqual(writer.bytes(), hex(expected))
    }
  })

  test('counts in a nest what is inside, padding too', () => {
    const writer = new Writer()
    writer.nest(2, () => writer.attribute(1, () => writer.u8(7)))
    assert.deepEqual(writer.bytes(), hex('0c00 0280', '0500 0100 07 000000'))
  })

  test('keeps what it has when it grows, whatever the size of the piece that makes it', () => {
    for (const size of [1, 127, 128, 129, 5000]) {
      const writer = new Writer()
      writer.u32(0x04030201)
      writer.raw(new Uint8Array(size).fill(9))
      writer.u8(5)
      assert.deepEqual(writer.bytes(), Uint8Array.of(1, 2, 3, 4, ...Array<number>(size).fill(9), 5))
    }
  })

  test('writes up to what the length of an attribute can say, and fails beyond', () => {
    const longest = 0xffff - 4
    const writer = new Writer()
    writer.attribute(1, () => writer.zeros(longest))
    assert.deepEqual(writer.bytes().subarray(0, 4), hex('ffff 0100'))
    assert.throws(() => writer.attribute(1, () => writer.zeros(longest + 1)), RangeError)
  })

  test('notes where descriptors go, and holds -1 in their places', () => {
    const writer = new Writer()
    const netns = { path: '/run/netns/blue', inode: null }
    writer.attribute(28, () => writer.descriptor(netns))
    assert.deepEqual(writer.descriptors, [[4, netns]])
    assert.deepEqual(writer.bytes(), hex('0800 1c00 ffffffff'))
  })
})

describe('a message', { skip: notLittleEndian }, () => {
  test('begins with struct nlmsghdr, its number and port left to the sender', () => {
    const subject = { message: 'RTM_GETLINK', netns: OWN_NETNS, device: '', writes: false }
    const message = new Message(subject, NETLINK_ROUTE, 18, NLM_F.DUMP, { header: 4, table: null })
    message.zeros(message.layout.header)
    assert.equal(message.attributesAt, message.length)
    message.attribute(1, () => message.u8(7))
    assert.deepEqual(
      message.finish(),
      hex(
        '1c000000', // nlmsg_len: 16 + 4 + 8
        '1200', // nlmsg_type: RTM_GETLINK
        '0103', // nlmsg_flags: NLM_F_REQUEST | NLM_F_DUMP
        '00000000', // nlmsg_seq
        '00000000', // nlmsg_pid
        '00000000', // the family's own header
        '0500 0100 07 000000',
      ),
    )
  })
})
