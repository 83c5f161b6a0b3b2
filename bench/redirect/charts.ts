import { escaped, svg } from '../svg.ts'
import type { Results } from './results.ts'
import { type Group, groupsOf, type Row } from './rows.ts'
import { machineOf, pathOf } from './setting.ts'
import { coresOf, perSecond, plusMinus, sizeOf } from './words.ts'

const [WIDTH, LABELS, VALUES] = [760, 200, 150]
const [TOP, TITLE, ROW, GAP] = [42, 20, 19, 12]
const BAR = WIDTH - LABELS - VALUES
/** Blue and amber differ for every kind of colour vision, on white and on black. */
const STYLE = [
  '.native { fill: #1f6feb } .generic { fill: #c2803a } .open { fill-opacity: .35 }',
  '.range { stroke: #24292f; stroke-width: 1.2 } .axis { stroke: #8b949e; stroke-opacity: .6 }',
  '.small { font-size: 10px; opacity: .8 } .failure { fill: #cf222e }',
  '@media (prefers-color-scheme: dark) { .native { fill: #4493f8 } .generic { fill: #d29922 }',
  '.range { stroke: #e6edf3 } .failure { fill: #ff7b72 } }',
].join('\n')

/** A chart for each way of redirecting and number of cores: SVG by file name. */
export function renderCharts(results: Results): Map<string, string> {
  const charts = new Map<string, Group[]>()
  for (const group of groupsOf(results)) {
    const { via, cores } = group.of
    const name = cores === 0 ? `${via}.svg` : `${via}-${cores}.svg`
    charts.set(name, [...(charts.get(name) ?? []), group])
  }
  return new Map([...charts].map(([name, groups]) => [name, chart(results, groups)]))
}

function chart(results: Results, groups: readonly Group[]): string {
  const { via, cores } = groups[0]!.of
  const most = Math.max(
    1,
    ...groups.flatMap(({ rows }) => rows.map(({ summary }) => summary?.rate?.high ?? 0)),
  )
  const body: string[] = []
  let y = TOP
  for (const group of groups) {
    body.push(...drawGroup(group, y, most))
    y += TITLE + group.rows.length * ROW + GAP
  }
  const about = [machineOf(results), pathOf(results), 'bars: median; thin line: where a second run would lie']
  const title = `Frames per second that arrive: ${via}${cores === 0 ? '' : `, ${coresOf(cores)}`}`
  return svg(WIDTH, y + 48, title, STYLE, [
    ...body,
    ...about.map((line, at) => `<text class="small" x="0" y="${y + 8 + 16 * at}">${escaped(line)}</text>`),
  ])
}

function drawGroup({ of, ceiling, rows }: Group, top: number, most: number): string[] {
  const alone = ceiling === null ? '' : `; the generator alone ${perSecond(ceiling.median)}`
  const bottom = top + TITLE + rows.length * ROW
  return [
    `<text x="0" y="${top + 12}" font-weight="600">${sizeOf(of.size)}<tspan font-weight="400">${alone}</tspan></text>`,
    `<line class="axis" x1="${LABELS}" y1="${top + TITLE}" x2="${LABELS}" y2="${bottom}"/>`,
    ...rows.map((row, at) => drawRow(row, top + TITLE + at * ROW, most)),
  ]
}

function drawRow(
  { case: { mode }, how, summary, failure, concluded }: Row,
  top: number,
  most: number,
): string {
  const baseline = top + 13
  const label = `<text x="${LABELS - 8}" y="${baseline}" text-anchor="end">${escaped(how)}</text>`
  const rate = summary?.rate ?? null
  if (rate === null) {
    const text = summary === null ? 'not run' : `0 arrive: ${failure}`
    return `${label}<text class="failure" x="${LABELS + 6}" y="${baseline}">${escaped(text)}</text>`
  }
  const x = (value: number) => (LABELS + (BAR * value) / most).toFixed(1)
  const width = Math.max(1, (BAR * rate.median) / most).toFixed(1)
  const value = `${perSecond(rate.median)} ${concluded ? plusMinus(rate) : 'no conclusion'}`
  const middle = top + ROW / 2
  return [
    label,
    `<rect class="${mode}${concluded ? '' : ' open'}" x="${LABELS}" y="${top + 3}" width="${width}" height="${ROW - 6}" rx="2"/>`,
    `<line class="range" x1="${x(rate.low)}" y1="${middle}" x2="${x(rate.high)}" y2="${middle}"/>`,
    `<text x="${Number(x(rate.high)) + 6}" y="${baseline}">${escaped(value)}</text>`,
  ].join('')
}
