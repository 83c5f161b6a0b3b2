import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { chosen, PARTS } from '../../bench/choice.ts'
import { commandLine } from '../../bench/command-line.ts'
import { type Contestant, OURS_PROMISES, OURS_SYNC, RAW_C } from '../../bench/contestant.ts'
import type { What } from '../../bench/works.ts'

const one = (name: string, ...can: What[]): Contestant => ({ name, can, turn: async () => 0 })
const ALL = [
  one(RAW_C, 'links', 'by-name'),
  one(OURS_SYNC, 'links', 'by-name', 'pair'),
  one(OURS_PROMISES, 'links', 'by-name', 'pair'),
  one('libnl', 'links', 'by-name', 'pair'),
  one('jsimonetti/rtnetlink, Go', 'links'),
]
const IDS = ['links-11', 'links-21', 'by-name', 'pair']

function choice(...only: string[]) {
  const { contestants, work, does, part } = chosen(only, ALL)
  return {
    names: contestants.map(({ name }) => name),
    works: IDS.filter(work),
    parts: PARTS.filter(part),
    does,
  }
}

describe('--only of bench:netlink', () => {
  it('without it everything is wanted', () => {
    const { names, works, parts } = choice()
    assert.deepEqual([names.length, works, parts], [ALL.length, IDS, [...PARTS]])
  })

  it('takes works and parts by their names', () => {
    const { names, works, parts } = choice('by-name', 'holds')
    assert.deepEqual([names.length, works, parts], [ALL.length, ['by-name'], ['holds']])
    assert.deepEqual(choice('links').works, ['links-11', 'links-21'])
    assert.deepEqual(choice('links-21').works, ['links-21'])
  })

  it('takes contestants by theirs, with the limit, and of the parts those that are of them', () => {
    const { names, works, parts } = choice('libnl')
    assert.deepEqual(names, [RAW_C, 'libnl'])
    assert.deepEqual([works, parts], [IDS, ['cold-start', 'memory']])
    assert.deepEqual(choice('libnl', 'holds', 'memory').parts, ['memory'])
    assert.deepEqual(choice('libnl', 'veth-nl', 'holds').parts, ['holds'])
    assert.deepEqual(choice('veth-nl').names, [RAW_C, OURS_SYNC, OURS_PROMISES])
  })

  it('leaves works that nobody does', () => {
    assert.equal(choice('jsimonetti').does('pair'), false)
    assert.equal(choice('jsimonetti').does('links'), true)
    assert.equal(choice().does('pair'), true)
  })

  it('may leave nothing', () => {
    const { works, parts } = choice('nobody')
    assert.deepEqual([works, parts], [[], []])
  })
})

describe('the command line of bench:netlink', () => {
  const of = (...words: string[]) => commandLine(words)

  it('without words is the full form', () => {
    const { settings, quick, json, install, chart, only } = of()
    assert.deepEqual([settings.links, settings.rounds], [[1001, 4001, 10_001], 15])
    assert.deepEqual([quick, json, install, chart, only], [false, false, false, undefined, []])
  })

  it('takes sizes, of which --quick has small ones', () => {
    assert.deepEqual(of('--links', '100,20,1,21').settings.links, [3, 21, 101])
    assert.deepEqual(of('--quick', '--rounds', '7').settings.rounds, 7)
    assert.ok(Math.max(...of('--quick').settings.links) < 1000)
  })

  it('takes what is wanted, and where it goes', () => {
    const line = of('--only', 'links', '--only', 'libnl', '--json', '--install', '--chart', 'a.svg')
    assert.deepEqual(line.only, ['links', 'libnl'])
    assert.deepEqual([line.json, line.install, line.chart], [true, true, 'a.svg'])
  })

  it('refuses in words what means nothing', () => {
    for (const text of ['0', '-1', '1.5', 'many', '', '1000000']) {
      const says = { name: 'TypeError', message: `--rounds takes a number, not '${text}'` }
      assert.throws(() => of(`--rounds=${text}`), says)
      assert.throws(() => of(`--links=11,${text}`), /--links takes a number, not /)
    }
    assert.throws(() => of('--fast'), /--fast/)
    assert.throws(() => of('links'), /links/)
  })
})
