import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { familyId } from '../../src/genetlink/controller.ts'
import { runSync } from '../../src/kernel/kernel.ts'
import { type Recording, record } from '../../src/kernel/recording.ts'
import { SyncKernel } from '../../src/kernel/sync-kernel.ts'
import { UnsupportedError } from '../../src/wire/errors.ts'
import { real } from '../tools/real.ts'

/** GENL_MIN_ID */
const LEAST_ID = 0x10

describe('a generic netlink family', () => {
  test('has an id of its own', () => {
    const ids = ['nlctrl', 'ethtool'].map(name => real(familyId({ name, version: 1, since: '2.6' })))
    for (const id of ids) assert.ok(id >= LEAST_ID)
    assert.equal(new Set(ids).size, ids.length)
  })

  test('is looked up once per kernel', () => {
    const recording: Recording = []
    const kernel = record(new SyncKernel(), recording)
    const family = { name: 'ethtool', version: 1, since: '5.6' }
    const id = runSync(familyId(family), kernel)
    assert.equal(runSync(familyId(family), kernel), id)
    assert.equal(recording.length, 1)
  })

  test('that the kernel does not have names itself and the first kernel that has it', () => {
    const family = { name: 'no-such-family', version: 1, since: '99.1' }
    assert.throws(
      () => real(familyId(family)),
      error => {
        assert.ok(error instanceof UnsupportedError)
        assert.match(error.feature, /no-such-family/)
        assert.equal(error.since, '99.1')
        return true
      },
    )
  })
})
