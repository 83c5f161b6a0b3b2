import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { boundsOf } from '../../bench/bounds.ts'
import { asChart } from '../../bench/chart.ts'
import { OURS_SYNC, RAW_C } from '../../bench/contestant.ts'
import { machine, type Report } from '../../bench/report.ts'
import { asText } from '../../bench/report-text.ts'
import { compared } from '../../bench/rounds.ts'
import { LIBNL, madeMeasured, SIZES, takenBy } from './netlink-made.ts'

function madeReport(changed: Partial<Report> = {}): Report {
  const measured = { ...madeMeasured(), ...changed }
  return {
    schema: 'veth-nl/bench-netlink',
    version: 4,
    machine: machine(),
    missing: [],
    rounds: 1,
    bounds: boundsOf(measured, SIZES, true),
    ...measured,
  }
}

describe('the rows of a work', () => {
  it('have the ratio of their median to that of raw C', () => {
    const { basis, rows } = compared([
      { name: RAW_C, values: [10, 30, 20] },
      { name: OURS_SYNC, values: [15, 25] },
    ])
    assert.equal(basis, RAW_C)
    assert.deepEqual(
      rows.map(({ median, ratio, rounds }) => [median, ratio, rounds]),
      [
        [20, 1, 3],
        [20, 1, 2],
      ],
    )
  })

  it('without raw C have it to that of the fastest', () => {
    const { basis, rows } = compared([
      { name: OURS_SYNC, values: [30] },
      { name: LIBNL, values: [20] },
    ])
    assert.equal(basis, LIBNL)
    assert.deepEqual(
      rows.map(({ ratio }) => ratio),
      [1.5, 1],
    )
  })
})

describe('the report of bench:netlink', () => {
  const lines = asText(madeReport()).split('\n')
  const has = (pattern: RegExp) => assert.match(lines.join('\n'), pattern)

  it('tells of each work what it takes and the ratio to raw C', () => {
    assert.equal(lines.filter(line => line.endsWith(`ratio to ${RAW_C}`)).length, 11)
    has(/^veth-nl\/sync +0\.11 +0\.11 – 0\.11 +1\.10 x +1$/m)
  })

  it('tells of the cold first round and the first verdicts', () => {
    has(/^31 links by promises +1\.30 +1\.10 – 10\.00 +0\.30 +0\.10 – 9\.00 +51\.00 +50\.00$/m)
    has(/^the same, the first on each: cold, once +4\.50 .* 50\.00 x$/m)
  })

  it('tells of peers’ memory and starts', () => {
    has(/^libnl +900 +900 – 900 *$/m)
    has(/^C: one that does nothing .*\nlibnl +2\.00 +2\.00 – 2\.00 +2\.00 x *$/m)
  })

  it('tells which bound was not measured, and why', () => {
    has(/^31 links by promises: longest hold, median of the rounds +0\.30 ms +9\.00 +at most 5 ms +pass$/m)
    const text = asText(madeReport({ bounds: boundsOf({ ...madeMeasured(), holds: null }, SIZES, true) }))
    assert.equal(text.match(/^.*longest hold.* – +at most \d ms +not measured: holds$/gm)?.length, 2)
  })
})

describe('the chart of bench:netlink', () => {
  const chart = asChart(madeReport())

  it('is an SVG, with every text escaped', () => {
    assert.match(chart, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox="0 0 760 \d+"[^>]*>\n<title>/)
    assert.ok(chart.endsWith('</svg>\n'))
    assert.match(chart, />links-21 &amp; &lt;all/)
    assert.doesNotMatch(chart, /NaN|undefined|&(?!amp;|lt;)/)
    for (const tag of ['svg', 'title', 'style', 'text']) {
      const count = (pattern: string) => chart.match(new RegExp(pattern, 'g'))?.length
      assert.equal(count(`<${tag}[ >]`), count(`</${tag}>`), tag)
    }
  })

  it('has a group for each work, of the middle size', () => {
    assert.deepEqual(chart.match(/\w+(-\w+)?(?= &amp;)/g), [
      'links-21',
      'names-21',
      'visit-21',
      'by-name',
      'peer',
    ])
    assert.equal(chart.match(/class="limit"/g)?.length, 5)
    assert.equal(chart.match(/class="peer"/g)?.length, 5)
    assert.equal(chart.match(/class="ours"/g)?.length, 10)
  })

  it('has bars by the logarithm of the ratio, all within it', () => {
    const others = { [OURS_SYNC]: 1000, [LIBNL]: 10_000, 'far behind': 1e9, 'ahead of it': 50 }
    const drawn = asChart(madeReport({ taken: [takenBy('by-name', others)] }))
    const widths = [...drawn.matchAll(/<rect [^>]*width="([\d.]+)"/g)].map(([, width]) => Number(width))
    assert.deepEqual(widths, [2, 160, 320, 480, 2])
    assert.match(drawn, />10\.0 ×</)
    assert.match(drawn, />100 ×</)
  })

  it('is one without works too', () => {
    assert.doesNotMatch(asChart(madeReport({ taken: [] })), /NaN|undefined/)
  })
})
