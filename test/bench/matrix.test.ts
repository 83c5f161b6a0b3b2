import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Case } from '../../bench/redirect/case.ts'
import { casesOf, idOf } from '../../bench/redirect/matrix.ts'

const select = (only: string | string[], cpus = 4, quick = false) =>
  casesOf({ only: [only].flat(), quick }, cpus)
const values = (cases: readonly Case[], key: keyof Case) => [...new Set(cases.map(each => each[key]))]

describe('the matrix', () => {
  it('is every combination once', () => {
    const cases = select([])
    assert.equal(cases.length, 2 * 4 * 3 * 2 * 2)
    assert.equal(new Set(cases.map(idOf)).size, cases.length)
    assert.deepEqual(values(cases, 'cores'), [1, 4])
  })

  it('has one number of cores where there is one', () => {
    assert.equal(select([], 1).length, 2 * 4 * 3 * 2)
    assert.deepEqual(values(select([], 1), 'cores'), [1])
  })

  it('quickly is both modes with a plain peer and with GRO', () => {
    assert.deepEqual(select([], 4, true).map(idOf), [
      'native/plain/64/bpf_redirect/1',
      'native/gro/64/bpf_redirect/1',
      'generic/plain/64/bpf_redirect/1',
      'generic/gro/64/bpf_redirect/1',
    ])
  })
})

describe('the matrix of what another machine sends', () => {
  const sent = (only: string, quick = false) => casesOf({ only: only === '' ? [] : [only], quick }, null)

  it('has neither sizes nor cores, which nobody here knows', () => {
    const cases = sent('')
    assert.equal(cases.length, 2 * 4 * 2)
    assert.equal(new Set(cases.map(idOf)).size, cases.length)
    assert.ok(cases.every(({ size, cores }) => size === 0 && cores === 0))
    assert.deepEqual(sent('native,gro,devmap').map(idOf), ['native/gro/0/devmap/0'])
    assert.deepEqual(sent('native', true).map(idOf), [
      'native/plain/0/bpf_redirect/0',
      'native/gro/0/bpf_redirect/0',
    ])
  })

  it('cannot be chosen by them', () => {
    for (const [only, says] of [
      ['native,64', /^--only size=64: --traffic external has the size of another machine$/],
      ['size=9000', /^--only size=9000: --traffic external has the size of another machine$/],
      ['cores=n', /^--only cores=n: --traffic external has the cores of another machine$/],
    ] as const)
      assert.throws(() => sent(only), { name: 'TypeError', message: says })
  })
})

describe('--only', () => {
  it('takes values without their dimension', () => {
    const cases = select('native,gro,64')
    assert.equal(cases.length, 2 * 2)
    assert.ok(cases.every(({ mode, peer, size }) => mode === 'native' && peer === 'gro' && size === 64))
  })

  it('takes several values of a dimension as alternatives, in the order of the matrix', () => {
    assert.deepEqual(values(select('mode=native peer=gro,plain'), 'peer'), ['plain', 'gro'])
    assert.deepEqual(values(select('1500,64'), 'size'), [64, 1500])
  })

  it('may be repeated', () => {
    assert.deepEqual(select(['native', 'gro devmap', 'size=64', 'cores=1']).map(idOf), [
      'native/gro/64/devmap/1',
    ])
  })

  it('takes any number of cores that there are, and n for all', () => {
    assert.deepEqual(values(select('cores=3,n,2'), 'cores'), [2, 3, 4])
  })

  it('takes both in one text', () => {
    const [each, ...others] = select('64,devmap,mode=generic,cores=2,peer=pass')
    assert.deepEqual([idOf(each!), others], ['generic/pass/64/devmap/2', []])
    assert.equal(select('peer=gro,pass,mode=native size=64,512 devmap,cores=1').length, 4)
  })

  it('adds to what is quick', () => {
    assert.deepEqual(values(select('size=512', 4, true), 'size'), [512])
    assert.deepEqual(values(select('size=512', 4, true), 'via'), ['bpf_redirect'])
  })

  for (const [text, says] of [
    ['nativ', /does not know 'nativ'.*native, generic, plain.*cores=N/],
    ['', /does not know ''/],
    ['native,', /does not know ''/],
    ['65', /does not know '65'/],
    ['0x40', /does not know '0x40'/],
    ['cores', /does not know 'cores'/],
    ['colour=red', /knows no 'colour='.*mode, peer, size, via and cores/],
    ['mode=native,gro', /mode=gro: it takes native, generic/],
    ['mode=plain', /mode=plain: it takes native, generic/],
    ['size=064', /size=064: it takes 64, 512, 1500/],
    ['cores=5', /cores=5: it takes 1 to 4, or n for 4/],
    ['cores=0', /cores=0/],
    ['peer=', /peer=: it takes plain/],
  ] as const) {
    it(`refuses '${text}'`, () => {
      assert.throws(() => select(text), { name: 'TypeError', message: says })
    })
  }
})
