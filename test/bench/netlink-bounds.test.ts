import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { boundsOf, broken } from '../../bench/bounds.ts'
import { OURS_SYNC } from '../../bench/contestant.ts'
import { LIBNL, madeMeasured, SIZES, takenBy } from './netlink-made.ts'

const measured = madeMeasured()
const of = (changed: object, complete = true) => boundsOf({ ...measured, ...changed }, SIZES, complete)
/** Of the bounds whose titles begin so. */
const values = (bounds: ReturnType<typeof of>, title: string) =>
  bounds.filter(({ what }) => what.startsWith(title)).map(({ value }) => value)
/** The same measurements, a work's numbers others. */
const withWork = (id: string, others: Record<string, number>) => ({
  taken: measured.taken.map(one => (one.id === id ? takenBy(id, others) : one)),
})
const without = (name: string) => ({
  taken: measured.taken.map(one => ({ ...one, rows: one.rows.filter(row => row.name !== name) })),
})

describe('bounds of bench:netlink', () => {
  it('hold where what was measured is within them', () => {
    const bounds = of({})
    assert.equal(bounds.length, 17)
    assert.deepEqual(
      bounds.filter(({ pass }) => !pass),
      [],
    )
    assert.equal(broken(bounds, true), false)
  })

  it('are of medians: of ratios to raw C, to libnl, to round trips in the same place, to an empty process', () => {
    const bounds = of({})
    assert.deepEqual(values(bounds, 'one link by name'), [1.1, 4, 0.3])
    assert.deepEqual(values(bounds, 'the same, to libnl'), [0.55, 0.55])
    assert.deepEqual(values(bounds, 'a verdict of many'), [10])
    assert.deepEqual(values(bounds, 'cold start'), [1.2, 1.25])
    assert.deepEqual(values(bounds, 'heap retained per link'), [800])
  })

  it('fail where it is more, and then the run does', () => {
    const bounds = of(withWork('by-name', { [OURS_SYNC]: 151, 'veth-nl, promises': 400, [LIBNL]: 150 }))
    const failed = bounds.filter(({ pass }) => !pass)
    assert.deepEqual(
      failed.map(({ what, value }) => [what, value]),
      [
        ['one link by name, sync', 1.51],
        ['the same, to libnl', 151 / 150],
      ],
    )
    assert.equal(broken(bounds, true), true)
    assert.equal(broken(bounds, false), true)
  })

  it('have the longest beside a median of times, without the first round', () => {
    const timed = of({}).flatMap(one =>
      one.value !== null && one.worst !== undefined ? [[one.value, one.worst]] : [],
    )
    assert.deepEqual(timed, [
      [0.3, 9],
      [0.3, 9],
      [2, 70],
    ])
  })

  it('are said to be unmeasured for want of a peer, and a complete run fails', () => {
    const bounds = of(without(LIBNL))
    const lacking = bounds.flatMap(one => (one.value === null ? [[one.what, one.lacks]] : []))
    assert.deepEqual(lacking, [
      ['the same, to libnl', 'libnl in links-21'],
      ['the same, to libnl', 'libnl in by-name'],
    ])
    assert.equal(broken(bounds, true), true)
    assert.equal(broken(bounds, false), false)
  })

  it('are said to be unmeasured where there are no numbers', () => {
    for (const changed of [
      withWork('visit-21', { [OURS_SYNC]: Number.NaN }),
      { contention: measured.contention.map(one => ({ ...one, disturbing: false })) },
      { memory: { links: 21, rows: [] } },
      { coldStart: [] },
    ]) {
      const lacking = of(changed).filter(({ value }) => value === null)
      assert.ok(lacking.length > 0 && broken(of(changed), true), JSON.stringify(changed))
    }
  })

  const nothing = { taken: [], holds: null, contention: [], verdicts: null, coldStart: null, memory: null }

  it('are all named where nothing was measured', () => {
    const bounds = of(nothing)
    assert.equal(bounds.length, 17)
    const lacks = new Set(bounds.map(one => (one.value === null ? one.lacks : null)))
    const works = ['visit-21', 'links-21', 'names-21', 'links-31', 'by-name', 'peer']
    assert.deepEqual([...lacks], [...works, 'verdicts', 'holds', 'contention', 'cold-start', 'memory'])
  })

  it('of what --only leaves out are none', () => {
    assert.deepEqual(of(nothing, false), [])
    const some = of({ ...nothing, taken: measured.taken.filter(({ id }) => id === 'by-name') }, false)
    assert.deepEqual(
      some.map(({ what }) => what),
      ['one link by name, sync', 'the same, to libnl', 'one link by name, promises'],
    )
  })
})
