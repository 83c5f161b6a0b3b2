import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { aliasesOf, nearNames } from '../../src/ethtool/feature-names.ts'

const NAMES = [
  'rx-gro',
  'rx-gro-hw',
  'tx-tcp-segmentation',
  'tx-tcp6-segmentation',
  'tx-udp-segmentation',
  '',
]

describe('aliases', () => {
  test('stand for one name or for several', () => {
    const aliases = aliasesOf(NAMES)
    assert.deepEqual(aliases.get('gro'), ['rx-gro'])
    assert.deepEqual(aliases.get('tso'), ['tx-tcp-segmentation', 'tx-tcp6-segmentation'])
  })

  test('have a long form', () => {
    const aliases = aliasesOf(NAMES)
    assert.deepEqual(aliases.get('generic-receive-offload'), aliases.get('gro'))
  })

  test('for nothing that this kernel has have no members', () => {
    assert.deepEqual(aliasesOf(NAMES).get('lro'), [])
  })

  test('do not mind bits without a name', () => {
    const sparse: string[] = []
    sparse[3] = 'rx-gro'
    assert.deepEqual(aliasesOf(sparse).get('gro'), ['rx-gro'])
  })
})

describe('names like a mistaken one', () => {
  test('come best first', () => {
    assert.deepEqual(nearNames('rx-gr', NAMES.filter(Boolean)).slice(0, 2), ['rx-gro', 'rx-gro-hw'])
  })

  test('are found across a typing error', () => {
    assert.ok(nearNames('tx-tcp-segmentaton', NAMES).includes('tx-tcp-segmentation'))
  })

  test('are none for something else altogether', () => {
    assert.deepEqual(nearNames('quantum-tunnelling', NAMES.filter(Boolean)), [])
  })
})
