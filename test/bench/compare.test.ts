import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Compared, compareResults } from '../../bench/redirect/compare.ts'
import { renderComparison } from '../../bench/redirect/comparison-text.ts'
import type { Results } from '../../bench/redirect/results.ts'
import { madeResults } from './made.ts'

const quick = (seed: number, more = {}) => madeResults({ quick: true, seed, ...more })
const says = (rows: readonly Compared[]) => rows.map(row => row.says)

/** One with its runs changed as a case that delivers nothing. */
function withoutDelivery(results: Results, at: number): Results {
  const cases = results.cases.map((each, i) =>
    i === at ? { ...each, runs: each.runs.map(run => ({ ...run, delivered: 0 })) } : each,
  )
  return { ...results, cases }
}

describe('--compare', () => {
  it('sees no difference between two runs of the same thing', () => {
    const { rows, differences } = compareResults(quick(1), quick(2))
    assert.deepEqual(says(rows), ['delivers in neither', ...new Array(3).fill('no difference to be seen')])
    assert.deepEqual(differences, [])
  })

  it('in nine of ten comparisons, though runs differ and are noisy', () => {
    let [alike, all] = [0, 0]
    for (let seed = 1; seed <= 12; seed++) {
      const run = (offset: number) => madeResults({ seed: 2 * seed + offset, noise: 0.02, runToRun: 0.01 })
      const concluded = compareResults(run(0), run(1)).rows.filter(({ ratio }) => ratio !== null)
      alike += concluded.filter(row => row.says === 'no difference to be seen').length
      all += concluded.length
    }
    assert.ok(all > 700)
    assert.ok(alike >= 0.9 * all, `${alike} of ${all}`)
  })

  it('says faster and slower, and by how much', () => {
    for (const [speed, word] of [
      [1.2, 'faster'],
      [1 / 1.2, 'slower'],
    ] as const) {
      const { rows } = compareResults(quick(1), quick(2, { speed }))
      assert.deepEqual(says(rows).slice(1), [word, word, word])
      for (const { ratio } of rows.slice(1)) {
        assert.ok(ratio !== null && ratio.low <= speed && speed <= ratio.high && ratio.low < ratio.ratio)
      }
    }
  })

  it('says where frames arrive now, or arrive no more', () => {
    const rest = ['delivers in neither', 'no difference to be seen', 'no difference to be seen']
    const now = compareResults(withoutDelivery(quick(1), 1), quick(2)).rows
    assert.deepEqual(says(now), [rest[0], 'delivers now', ...rest.slice(1)])
    const noMore = compareResults(quick(1), withoutDelivery(quick(2), 1)).rows
    assert.deepEqual(says(noMore), [rest[0], 'delivers no more', ...rest.slice(1)])
  })

  it('concludes nothing from what is in doubt', () => {
    const { rows } = compareResults(quick(1, { repeats: 4 }), quick(2))
    assert.deepEqual(says(rows).slice(1), new Array(3).fill('no conclusion'))
    assert.ok(
      rows.slice(1).every(({ ratio, doubts }) => ratio === null && /^before 4 of the 5/.test(doubts[0]!)),
    )
  })

  it('names the cases that only one has, and compares the others', () => {
    const before = madeResults({ only: ['native gro', 'bpf_redirect cores=1 size=64,512'] })
    const now = madeResults({ only: ['native gro,pass', 'bpf_redirect cores=1 size=64'], seed: 2 })
    const comparison = compareResults(before, now)
    assert.equal(comparison.rows.length, 1)
    assert.deepEqual(comparison.onlyBefore, ['native/gro/512/bpf_redirect/1'])
    assert.deepEqual(comparison.onlyNow, ['native/pass/64/bpf_redirect/1'])
  })

  it('refuses what is not the same thing', () => {
    const [before, now] = [quick(1), quick(2)]
    assert.throws(() => compareResults(before, { ...now, generator: 'pktgen' }), {
      name: 'TypeError',
      message: "the runs cannot be compared: generator 'live frames' before, 'pktgen' now",
    })
    assert.throws(
      () => compareResults(before, { ...now, path: { ...now.path, scene: 'nic' } }),
      /scene 'embedded'/,
    )
    assert.throws(
      () => compareResults(madeResults({ only: ['512'] }), madeResults({ only: ['64'] })),
      /no case in common/,
    )
  })

  it('tells what else is different', () => {
    const [before, now] = [quick(1), quick(2)]
    const { machine, path } = now
    const { differences } = compareResults(before, {
      ...now,
      machine: {
        ...machine,
        kernel: '7.3.0',
        governor: null,
        mitigations: { ...machine.mitigations, spectre_v2: 'Vulnerable' },
      },
      path: {
        ...path,
        nic: { ...path.nic, queues: { rx: 2, tx: 2, combined: 0 }, offloads: ['rx-gro', 'rx-lro'] },
      },
    })
    assert.deepEqual(differences, [
      'kernel: 6.18.44 before, 7.3.0 now',
      'governor: performance before, not told now',
      'mitigations: spectre_v2 Mitigation: Retpolines before, spectre_v2 Vulnerable now',
      'queues: rx 1, tx 1, combined 0 before, rx 2, tx 2, combined 0 now',
      'offloads: tx-checksum-ip-generic before, rx-lro now',
    ])
  })

  it('tells what was asked for otherwise', () => {
    const [before, now] = [quick(1), quick(2, { repeats: 7 })]
    const given = { flows: 64, delay: 1000, queues: null, clones: null, burst: null }
    const with1 = (results: Results, more: Partial<Results['settings']>) => ({
      ...results,
      settings: { ...results.settings, ...more },
    })
    const { differences } = compareResults(
      with1(before, { pktgen: { ...given, flows: null, delay: null } }),
      with1(now, { pktgen: given, milliseconds: 60, cpus: [1, 0], from: 'eth0' }),
    )
    assert.deepEqual(differences, [
      'sent out of: gen0 before, eth0 now',
      'pktgen: nothing given before, flows=64 delay=1000 now',
      'CPUs that may send: 3 2 1 0 before, 1 0 now',
      'milliseconds of a run: 180 before, 60 now',
      'repeats: 5 before, 7 now',
    ])
  })

  it('tells when only one machine tells of its mitigations', () => {
    const now = quick(2)
    const { differences } = compareResults(quick(1), {
      ...now,
      machine: { ...now.machine, mitigations: null },
    })
    assert.deepEqual(differences, ['mitigations: told before, not told now'])
  })
})

describe('the comparison in words', () => {
  it('has a line for each case, and counts what they say', () => {
    const lines = renderComparison(compareResults(quick(1), quick(2, { speed: 1.2 }))).split('\n')
    assert.match(
      lines[1]!,
      /^ {2}64 bytes, bpf_redirect, 1 core: native, plain peer +– +delivers in neither$/,
    )
    assert.match(lines[2]!, /native, GRO at peer +1\.\d\d × \(1\.\d\d – 1\.\d\d\) +faster$/)
    assert.ok(lines.includes('Both are of the same machine, kernel and settings, as far as they tell.'))
    assert.ok(lines.includes('Of 4 cases: 3 faster, 1 delivers in neither.'))
  })

  it('says why there is no conclusion', () => {
    const text = renderComparison(compareResults(quick(1), quick(2, { repeats: 3 })))
    assert.match(
      text,
      /^No conclusion for 64 bytes.*generic, GRO at peer: now 3 of the 5 repeats that are needed\.$/m,
    )
  })
})
