import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readText } from '../../src/wire/text.ts'

function throughBytes(text: string): string {
  const bytes = Buffer.from(`<<${text}\0>>`)
  return readText(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 2, bytes.length - 4)
}

describe('text out of a receive buffer', () => {
  test('is what was put in, of every length that a name can have', () => {
    for (let length = 0; length <= 127; length++) {
      const text = 'n'.repeat(length)
      assert.equal(throughBytes(text), text)
      assert.equal(throughBytes(text), text)
    }
  })

  test('is UTF-8', () => {
    for (const text of ['blå', '网络', 'ä', '🐧0', 'é'.repeat(63), '\ufeffeth0']) {
      assert.equal(throughBytes(text), text)
      assert.equal(throughBytes(text), text)
    }
  })

  test('is not mistaken for another that shares its place among those seen', () => {
    // 20,000 names on 16,384 places: thousands share theirs, and overwrite each other.
    const names = Array.from({ length: 20_000 }, (_, i) => `veth${i}`)
    for (let round = 0; round < 2; round++) {
      for (const name of names) assert.equal(throughBytes(name), name)
    }
  })

  test('is not mistaken for one that it begins or ends with', () => {
    for (const text of ['abcd', 'abc', 'abcde', 'bcd', 'abce', 'abcd']) assert.equal(throughBytes(text), text)
  })

  test('ends where it is said to end', () => {
    const bytes = Buffer.from('eth0eth1')
    assert.equal(readText(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, 4), 'eth0')
  })

  test('that is no UTF-8 does not fail', () => {
    const bytes = Buffer.from([0x61, 0xff, 0x62])
    assert.equal(readText(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, 3), 'a\ufffdb')
  })
})
