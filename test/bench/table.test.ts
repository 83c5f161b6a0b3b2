import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Results } from '../../bench/redirect/results.ts'
import { bar, lookOf, renderTable } from '../../bench/redirect/table.ts'
import { frames, partOf, perSecond } from '../../bench/redirect/words.ts'
import { madeResults, sampleAt } from './made.ts'

const plain = (results: Results, width = 100) => renderTable(results, { width, color: false })
const one = (only: string, more = {}) => madeResults({ only: [only], ...more })

/** The only case's runs, each changed. */
function changed(
  results: Results,
  change: (run: Results['cases'][0]['runs'][0], at: number) => object,
): Results {
  const cases = results.cases.map(each => ({
    ...each,
    runs: each.runs.map((run, at) => ({ ...run, ...change(run, at) })),
  }))
  return { ...results, cases }
}

const GRO = 'native gro 64 bpf_redirect cores=1'

describe('the table', () => {
  it('has a row for each case, under what its group has in common', () => {
    const results = madeResults()
    const lines = plain(results).split('\n')
    assert.equal(lines.filter(line => /^ {2}(native|generic)/.test(line)).length, results.cases.length)
    assert.equal(
      lines.filter(line => /^(64|512|1500) bytes, (bpf_redirect|devmap), [14] cores?; /.test(line)).length,
      12,
    )
  })

  it('says how much arrives, how fast, how surely, and what it costs', () => {
    const results = {
      ...one(GRO),
      cases: one(GRO).cases.map(each => ({
        ...each,
        runs: [1, 2, 3, 4, 5].map(turn => ({ ...sampleAt(2e6, 1), turn, steady: true })),
      })),
    }
    assert.match(plain(results), /^ {2}native {2}GRO +100 % +2\.00 M\/s +± 3\.0 % +500 +500 {2,}█+$/m)
  })

  it('has the slowest and the fastest repeat where there is room', () => {
    const uneven = changed(one(GRO), (_, at) => ({ nanoseconds: 1e9 * (1 + at / 50) }))
    const failing = one('native plain 64 bpf_redirect cores=1')
    const both = { ...uneven, cases: [...failing.cases, ...uneven.cases] }
    assert.match(plain(both, 120), /^ {2}native {2}GRO .* \? {2}926 k\/s – 1\.00 M\/s {2}1040 /m)
    assert.match(plain(both, 120), /^ {2}native {2}plain +0 % +EOPNOTSUPP +\d+$/m)
    assert.match(plain(both, 119), /^ {2}native {2}GRO .* \? {2}1040 /m)
  })

  it('says why nothing arrives: what the kernel reported, else what was predicted', () => {
    const results = one('native plain 64 bpf_redirect cores=1')
    assert.match(plain(results), /^ {2}native {2}plain +0 % +EOPNOTSUPP/m)
    assert.match(plain(results), /^native, plain peer:\n {4}A native-mode redirect fails\.$/m)
    const traced = [{ tracepoint: 'xdp:xdp_devmap_xmit', code: 'ENXIO', frames: 20 }]
    const seen = { ...results, cases: results.cases.map(each => ({ ...each, traced })) }
    assert.match(plain(seen), /plain +0 % +ENXIO/)
    const silent = {
      ...results,
      cases: results.cases.map(each => ({ ...each, explained: { reason: null } })),
    }
    assert.match(
      plain(silent),
      /plain +0 % +lost, no errno.*\n +nothing arrived, though it was predicted to$/m,
    )
  })

  it('names what is lost where, and what no counter explains', () => {
    const drops = [{ where: 'eth0 rx_dropped', frames: 250_000 }]
    const text = plain(changed(one(GRO), () => ({ delivered: 749_999, drops })))
    assert.match(text, / 75\.0 % /)
    assert.match(text, /^ {4}25\.0 % of the frames lost: eth0 rx_dropped 1,250,000$/m)
    assert.match(text, /^ {4}of 5,000,000 frames 5 are accounted for by no counter$/m)
    const excess = plain(changed(one(GRO), () => ({ drops })))
    assert.match(excess, /1,250,000 too many arrived or were counted as lost$/m)
  })

  it('says that a rate is its generator’s', () => {
    const results = one(GRO, { noise: 0 })
    assert.doesNotMatch(plain(results), /bounded/)
    const { runs } = results.cases[0]!
    const by = (name: string, own = runs) => {
      const ceilings = [{ by: name, size: 64, cores: 1, runs: own }]
      return plain({ ...results, ceilings })
    }
    assert.match(by('live frames'), /bounded by its generator: 100 % of what that does alone/)
    assert.doesNotMatch(by('pktgen'), /bounded/)
    const uneven = runs.map((run, at) => ({ ...run, nanoseconds: run.nanoseconds * (1 + (at % 2)) }))
    for (const doubtful of [uneven, runs.slice(1)])
      assert.doesNotMatch(by('live frames', doubtful), /bounded/)
  })

  it('says that it arrives, whatever the verdict was', () => {
    const results = one(GRO)
    const explained = { reason: { code: 'ENXIO', summary: 'No NAPI.' } }
    const text = plain({ ...results, cases: results.cases.map(each => ({ ...each, explained })) })
    assert.match(text, /arrives; the verdict was: No NAPI\./)
  })

  it('gives what another machine sent no size and no cores', () => {
    const text = plain(madeResults({ external: true }))
    assert.match(text, /^traffic of another machine into nic0 /m)
    assert.deepEqual(text.match(/^as sent, .*$/gm), ['as sent, bpf_redirect', 'as sent, devmap'])
    assert.doesNotMatch(text, /bytes|core|the generator alone/)
  })

  it('names what pktgen was given', () => {
    const made = one(GRO)
    const pktgen = { flows: 64, delay: null, queues: [1, 0], clones: null, burst: null }
    const text = plain({ ...made, generator: 'pktgen', settings: { ...made.settings, pktgen } })
    assert.match(text, /^pktgen \(flows=64 queues=1,0\) into nic0 \(veth/m)
  })

  it('says what was not run, and why', () => {
    const results = one(GRO)
    const cases = results.cases.map(each => ({ ...each, runs: [], notRun: 'the driver has no native mode' }))
    assert.match(
      plain({ ...results, cases }),
      /^ {2}native {2}GRO .*\n {4}not run: the driver has no native mode$/m,
    )
  })

  it('draws no conclusion from what is uncertain, and says so', () => {
    const text = plain(changed(one(GRO), (_, at) => ({ nanoseconds: 1e9 * (1 + at * (at % 2)) })))
    assert.match(text, /GRO +100 % +1\.00 M\/s +\?/)
    assert.match(text, /^ {4}no conclusion: uncertain by \d+ %, more than 15 %$/m)
  })

  it('says once that there are too few repeats', () => {
    const text = plain(madeResults({ only: ['64 cores=1'], repeats: 4 }))
    assert.match(text, /^Note: 4 of the 5 repeats that are needed: no rate allows a conclusion$/m)
    assert.equal(text.match(/repeats that are needed/g)?.length, 1)
    assert.match(text, /GRO +100 % +[\d.]+ M\/s +\?/)
  })

  it('warns of quick runs and of a machine that changed', () => {
    assert.match(plain(madeResults({ quick: true })), /^Note: --quick/m)
    assert.match(plain(madeResults({ drift: 0.08 })), /^Note: the machine became faster by \d+ % while/m)
    assert.match(plain(madeResults({ drift: -0.08 })), /^Note: the machine became slower/m)
    assert.doesNotMatch(plain(madeResults({ drift: 0 })), /^Note/m)
  })

  it('puts the ratio to generic mode beside a rate, if they differ', () => {
    const text = plain(madeResults({ only: ['64 bpf_redirect cores=1'], noise: 0 }))
    assert.match(text, /native {2}GRO .* 1\.17 × {2}█/)
    assert.match(text, /generic plain .*\d {14,}█/)
    assert.match(text, /generic pass .* 1\.05 × {2}█/)
    const noisy = plain(madeResults({ only: ['64 bpf_redirect cores=1'], noise: 0.03, seed: 2 }))
    assert.match(noisy, /generic pass .* ≈ 1 × {2}█/)
  })

  it('shows other programs beside ours', () => {
    const results = one(GRO, { noise: 0 })
    const [own] = results.cases
    const references = [{ by: 'C with libbpf', case: own!.case, runs: own!.runs }]
    const ceilings = [...results.ceilings, { ...results.ceilings[0]!, by: 'xdp-trafficgen' }]
    const text = plain({ ...results, references, ceilings })
    const over = /^ {2}1\.00 × \(0\.96 – 1\.04\) (.*)$/gm
    assert.deepEqual(
      [...text.matchAll(over)].map(([, theirs]) => theirs),
      [
        'xdp-trafficgen: live frames alone, 64 bytes, 1 core',
        'C with libbpf: native, GRO at peer, 64 bytes, bpf_redirect, 1 core',
      ],
    )
  })

  for (const width of [60, 80, 100, 160]) {
    it(`fits into ${width} columns`, () => {
      const drops = [{ where: 'eth0 rx_dropped', frames: 1 }]
      const text = plain(
        changed(madeResults({ drift: 0.1 }), run => ({
          delivered: run.delivered && run.delivered - 2,
          drops,
        })),
        width,
      )
      for (const line of text.split('\n')) assert.ok(line.length <= width, `${line.length}: ${line}`)
    })
  }
})

describe('bars', () => {
  it('are as long as their part, in eighths', () => {
    assert.equal(bar(1, 10), '█'.repeat(10))
    assert.equal(bar(0.5, 10), '█'.repeat(5))
    assert.equal(bar(1 / 16, 10), '▋')
    assert.equal(bar(0.0001, 10), '▏')
    assert.equal(bar(15 / 16, 2), '█▉')
  })

  it('compare over the whole table', () => {
    const text = plain(madeResults({ only: ['bpf_redirect cores=1 native'], noise: 0 }))
    const lengths = [...text.matchAll(/ (█+)/g)].map(([, drawn]) => drawn!.length)
    assert.equal(lengths.length, 9)
    assert.ok(Math.max(...lengths) >= 20 && lengths.indexOf(Math.max(...lengths)) === 2, `${lengths}`)
  })
})

describe('colours', () => {
  const terminal = { isTTY: true, columns: 120 }
  it('are for terminals without NO_COLOR', () => {
    assert.deepEqual(lookOf(terminal, {}), { width: 120, color: true })
    assert.deepEqual(lookOf(terminal, { NO_COLOR: '' }), { width: 120, color: true })
    assert.deepEqual(lookOf(terminal, { NO_COLOR: '1' }), { width: 120, color: false })
    assert.deepEqual(lookOf(terminal, { TERM: 'dumb' }), { width: 120, color: false })
    assert.deepEqual(lookOf({}, {}), { width: 100, color: false })
    assert.deepEqual(lookOf({ isTTY: true }, {}), { width: 100, color: true })
  })

  it('change nothing but colours', () => {
    const results = madeResults({ drift: 0.1 })
    const coloured = renderTable(results, { width: 100, color: true })
    assert.ok(coloured.includes('\x1b['))
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what is looked for
    assert.equal(coloured.replace(/\x1b\[\d+m/g, ''), plain(results))
  })
})

describe('words', () => {
  it('say 0 % and 100 % only where it is so to the frame', () => {
    assert.deepEqual(
      [0, 1, 500, 9_995, 999_999, 1_000_000].map(part => partOf(part, 1_000_000)),
      ['0 %', '< 0.1 %', '< 0.1 %', '1.0 %', '> 99.9 %', '100 %'],
    )
  })

  it('have three digits', () => {
    assert.deepEqual([0.5, 999, 1000, 12_345, 999_400, 999_600, 1_234_567, 14_880_952].map(perSecond), [
      '0.50 /s',
      '999 /s',
      '1.00 k/s',
      '12.3 k/s',
      '999 k/s',
      '1.00 M/s',
      '1.23 M/s',
      '14.9 M/s',
    ])
    assert.equal(frames(1234567), '1,234,567')
  })
})
