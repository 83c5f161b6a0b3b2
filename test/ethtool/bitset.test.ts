import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BITSET, Bitset, bitsetOf, hasBit } from '../../src/ethtool/bitset.ts'
import { decoded, encoded, hex, notLittleEndian } from '../tools/attributes.ts'

/** ETHTOOL_A_FEATURES_HW of a veth, Linux 6.18. */
const HARDWARE = hex(
  '0800 0200 40000000', // ETHTOOL_A_BITSET_SIZE 64
  '0c00 0400 e949dd4f 2e63000a', // ETHTOOL_A_BITSET_VALUE
  '0c00 0500 ffffffff ffffffff', // ETHTOOL_A_BITSET_MASK
)
/** ETHTOOL_A_FEATURES_NOCHANGE of the same. */
const NO_CHANGE = hex(
  '0400 0100', // ETHTOOL_A_BITSET_NOMASK
  '0800 0200 40000000', // ETHTOOL_A_BITSET_SIZE 64
  '0c00 0400 00040000 00000000', // ETHTOOL_A_BITSET_VALUE: bit 10, vlan-challenged
)

function bits(list: Uint32Array): number[] {
  return Array.from({ length: 32 * list.length }, (_, bit) => bit).filter(bit => hasBit(list, bit))
}

describe("the kernel's bit sets", { skip: notLittleEndian }, () => {
  test('with a mask are read, and written as they were', () => {
    const bitset = decoded(BITSET, new Bitset(), HARDWARE)
    assert.equal(bitset.noMask, false)
    assert.equal(bitset.size, 64)
    assert.deepEqual(
      bits(bitset.mask),
      Array.from({ length: 64 }, (_, bit) => bit),
    )
    assert.deepEqual(bits(bitset.value).slice(0, 5), [0, 3, 5, 6, 7])
    assert.deepEqual(bits(bitset.value).slice(-2), [57, 59])
    assert.deepEqual(encoded(BITSET, bitset), HARDWARE)
  })

  test('without a mask are lists', () => {
    const { noMask, value, mask } = decoded(BITSET, new Bitset(), NO_CHANGE)
    assert.equal(noMask, true)
    assert.deepEqual(bits(value), [10])
    assert.deepEqual(bits(mask), [])
  })
})

describe('a bit set to be sent', () => {
  test('masks what it is about, and sets it or not', () => {
    for (const on of [true, false]) {
      const { size, value, mask } = bitsetOf(70, [0, 31, 32, 69], on)
      assert.equal(size, 70)
      assert.deepEqual(bits(mask), [0, 31, 32, 69])
      assert.deepEqual(bits(value), on ? [0, 31, 32, 69] : [])
      assert.deepEqual([value.length, mask.length], [3, 3])
    }
  })

  test('has no words to spare', () => {
    assert.equal(bitsetOf(64, [], true).value.length, 2)
    assert.equal(bitsetOf(65, [], true).value.length, 3)
  })
})

test('a bit past the end is not set', () => {
  assert.equal(hasBit(Uint32Array.of(0xffffffff), 31), true)
  assert.equal(hasBit(Uint32Array.of(0xffffffff), 32), false)
  assert.equal(hasBit(new Uint32Array(0), 0), false)
})
