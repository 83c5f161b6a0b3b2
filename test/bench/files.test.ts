import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { renderCharts } from '../../bench/redirect/charts.ts'
import { compareResults } from '../../bench/redirect/compare.ts'
import { renderMarkdown } from '../../bench/redirect/markdown.ts'
import { writeReport } from '../../bench/redirect/report-files.ts'
import type { Results } from '../../bench/redirect/results.ts'
import { readResults } from '../../bench/redirect/results-file.ts'
import { howOf } from '../../bench/redirect/words.ts'
import { madeResults } from './made.ts'

const NAMES = ['bpf_redirect-1.svg', 'devmap-1.svg', 'bpf_redirect-4.svg', 'devmap-4.svg']

describe('--out', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'veth-nl-out-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it('writes results.json, report.md and the charts that it shows', () => {
    const out = join(folder, 'a', 'b')
    const files = writeReport(out, madeResults())
    assert.deepEqual(readdirSync(out).sort(), [...NAMES, 'report.md', 'results.json'].sort())
    assert.ok(files.every(file => dirname(file) === out && existsSync(file)))
    assert.deepEqual(readResults(join(out, 'results.json')), madeResults())
    const shown = [...readFileSync(join(out, 'report.md'), 'utf8').matchAll(/!\[[^\]]+\]\(([^)]+)\)/g)]
    assert.deepEqual(
      shown.map(([, file]) => file),
      NAMES,
    )
  })
})

describe('report.md', () => {
  /** Tables: every line of one has as many cells as its head. */
  function assertTables(text: string): void {
    let cells = 0
    for (const line of text.split('\n')) {
      const own = line.startsWith('|') ? line.replaceAll('\\|', '').split('|').length : 0
      assert.ok(cells === 0 || own === 0 || own === cells, line)
      cells = own
    }
  }

  it('has a row for each case, reasons, losses, the machine, and whole tables', () => {
    const results = madeResults()
    const text = renderMarkdown(results, NAMES)
    assertTables(text)
    assert.equal(text.match(/^\| (native|generic), /gm)?.length, results.cases.length)
    assert.match(text, /^\| native, plain peer \| 0 % \| \*\*EOPNOTSUPP\*\* \|/m)
    assert.match(text, /^## Why nothing arrives\n\n- native, plain peer: A native-mode redirect fails\.$/m)
    assert.match(
      text,
      /^\| 64 bytes, bpf_redirect, 1 core: native, plain peer \| veth_xxx0 tx_dropped \| 5,000,000 \|$/m,
    )
    assert.match(text, /^\| spectre_v2 \| Mitigation: Retpolines \|$/m)
    assert.match(text, /^\| isolated CPUs \| none \|$/m)
    assert.doesNotMatch(text, /Compared|Beside/)
  })

  it('has the comparison', () => {
    const now = madeResults({ quick: true, seed: 2 })
    const text = renderMarkdown(now, [], compareResults(madeResults({ quick: true }), now))
    assertTables(text)
    assert.match(
      text,
      /^\| 64 bytes.*native, GRO at peer \| \d\.\d\d × \(.*\) \| no difference to be seen \|$/m,
    )
    assert.match(text, /^Of 4 cases: /m)
  })

  it('says what the machine does not tell', () => {
    const made = madeResults({ quick: true })
    const machine = { ...made.machine, governor: null, isolated: null, mitigations: null, virtual: null }
    const nic = { ...made.path.nic, driver: null, driverVersion: null, queues: null, offloads: null }
    const text = renderMarkdown({ ...made, machine, path: { ...made.path, nic } }, [])
    for (const what of [
      'governor',
      'mitigations',
      'virtual machine',
      'driver',
      'queues',
      'offloads in effect',
    ]) {
      assert.ok(text.includes(`| ${what} | not told |`), what)
    }
  })

  it('keeps the text of others from being markup', () => {
    const made = madeResults({ quick: true })
    const machine = { ...made.machine, cpu: 'A | B <b>' }
    const text = renderMarkdown({ ...made, machine }, [])
    assertTables(text)
    assert.ok(text.includes('4 × A \\| B &lt;b>'))
  })
})

describe('charts', () => {
  const chartOf = (results: Results) => [...renderCharts(results).values()][0]!

  /** Every element is closed, in order; returns their names. */
  function elementsOf(svg: string): string[] {
    const open: string[] = []
    const names: string[] = []
    for (const [, close, name, , empty] of svg.matchAll(/<(\/?)(\w+)((?:\s[\w:-]+="[^"<&]*")*)(\/?)>/g)) {
      if (close) assert.equal(open.pop(), name)
      else names.push(name!)
      if (!close && !empty) open.push(name!)
    }
    assert.deepEqual(open, [])
    assert.equal(svg.replace(/<\/?\w+(\s[\w:-]+="[^"<&]*")*\/?>/g, '').match(/[<]|&(?!amp;|lt;)/), null)
    return names
  }

  it('are whole, one for each way and number of cores', () => {
    const charts = renderCharts(madeResults())
    assert.deepEqual([...charts.keys()], NAMES)
    for (const svg of charts.values()) {
      assert.equal(elementsOf(svg).filter(name => name === 'rect').length, 3 * 7)
      const [style = ''] = /(?<=<style>)[^<]+/.exec(svg) ?? []
      assert.equal(style.split('{').length, style.split('}').length)
      assert.match(style, /@media \(prefers-color-scheme: dark\)/)
    }
  })

  it('have each case by name, with its rate or its failure', () => {
    const results = madeResults({ only: ['512 devmap cores=1'], noise: 0 })
    const svg = chartOf(results)
    for (const { case: each } of results.cases) assert.ok(svg.includes(`>${howOf(each)}</text>`), howOf(each))
    assert.match(svg, />0 arrive: EOPNOTSUPP</)
    assert.match(svg, />1\.10 M\/s ± 3\.0 %</)
    assert.match(svg, />; the generator alone 4\.00 M\/s</)
  })

  it('of what another machine sent have no size and no cores', () => {
    const charts = renderCharts(madeResults({ external: true }))
    assert.deepEqual([...charts.keys()], ['bpf_redirect.svg', 'devmap.svg'])
    for (const [name, svg] of charts) {
      elementsOf(svg)
      assert.ok(svg.includes(`>Frames per second that arrive: ${name.replace('.svg', '')}<`), name)
      assert.match(svg, />as sent</)
      assert.doesNotMatch(svg, /bytes|core/)
    }
  })

  it('have bars as long as their rates, within the picture', () => {
    const results = madeResults({ only: ['native,generic drop,plain 64 bpf_redirect cores=1'], noise: 0 })
    const bars = [...chartOf(results).matchAll(/<rect class="(\w+)" x="(\d+)" y="[\d.]+" width="([\d.]+)"/g)]
    assert.deepEqual(
      bars.map(([, mode]) => mode),
      ['native', 'generic', 'generic'],
    )
    const [longest, shortest, middle] = bars.map(([, , , width]) => Number(width)) as [number, number, number]
    assert.ok(Math.abs(longest / shortest - 1.3 * 1.5) < 0.01)
    assert.ok(Math.abs(middle / shortest - 1.5) < 0.01)
    assert.ok(Number(bars[0]![2]) + longest < 620)
  })

  it('show faintly what allows no conclusion, and say so', () => {
    const svg = chartOf(madeResults({ only: ['gro 64 bpf_redirect cores=1'], repeats: 3 }))
    assert.match(svg, /class="native open"/)
    assert.match(svg, / no conclusion</)
  })

  it('keep the text of others from being markup', () => {
    const made = madeResults({ quick: true })
    elementsOf(chartOf({ ...made, machine: { ...made.machine, cpu: '<b> & "c"' } }))
  })
})
