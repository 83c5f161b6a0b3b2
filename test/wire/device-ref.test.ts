import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { checkDevice, checkNewName, deviceLabel } from '../../src/wire/device-ref.ts'
import { OWN_NETNS } from '../../src/wire/netns.ts'

describe('a device is given', () => {
  for (const good of ['eth0', 'a', 'n'.repeat(15), 'n'.repeat(127), '...', 'br-å', 1, 0x7fffffff]) {
    test(`by ${JSON.stringify(good).slice(0, 24)}`, () => {
      assert.equal(checkDevice(good), good)
    })
  }
})

describe('a device is not given', () => {
  const mistakes = ['', '.', '..', 'a b', 'a\tb', 'a/b', 'a:b', 'a\0b', 'n'.repeat(128), 'å'.repeat(64)]
  for (const bad of [...mistakes, 0, -1, 1.5, Number.NaN, 0x80000000, null, undefined, {}]) {
    test(`by ${(JSON.stringify(bad) ?? 'undefined').slice(0, 24)}`, () => {
      assert.throws(() => checkDevice(bad as string), TypeError)
    })
  }
})

test('a new name is shorter than an alternative one: 15 bytes, not characters', () => {
  assert.equal(checkNewName('n'.repeat(15)), 'n'.repeat(15))
  assert.throws(() => checkNewName('n'.repeat(16)), /1 to 15 bytes/)
  assert.throws(() => checkNewName('å'.repeat(8)), /has 16/)
})

test('messages call a device by its name where that is known', () => {
  assert.equal(deviceLabel({ netns: OWN_NETNS, device: 'veth0' }), 'veth0')
  assert.equal(deviceLabel({ netns: OWN_NETNS, device: 7 }), '7')
  assert.equal(deviceLabel({ netns: OWN_NETNS, device: 7, name: 'veth0' }), 'veth0')
})
