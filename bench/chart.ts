import type { Report } from './report.ts'
import type { Taken } from './rounds.ts'
import { escaped, svg } from './svg.ts'

const WIDTH = 760
const LABELS = 210
const ROW = 16
const TITLE = 32
/** Bars are logarithmic: ratios reach from 1 to some hundred. */
const DECADES = 3
const BAR = WIDTH - LABELS - 70

/** An SVG of the ratios: for each work a group of bars. Its colours are readable on light and on dark. */
export function asChart({ machine, taken }: Report): string {
  const groups: string[] = []
  let y = 40
  for (const work of middleSizes(taken)) {
    groups.push(group(work, y))
    y += TITLE + work.rows.length * ROW
  }
  const title = 'times the limit (else the fastest), logarithmic: 1, 10, 100, 1000'
  const style =
    '.ours { fill: #1f6feb } .limit { fill: #8b949e } .peer { fill: #c2803a } line { stroke: #8b949e; stroke-opacity: .35 }'
  return svg(WIDTH, y + 30, title, style, [
    ...grid(y),
    ...groups,
    `<text x="0" y="${y + 22}">${escaped(`Linux ${machine.kernel}, Node ${machine.node}, ${machine.cpus} × ${machine.cpu}`)}</text>`,
  ])
}

/** Of each work that was done in several sizes, the middle one. */
function middleSizes(taken: readonly Taken[]): Taken[] {
  return [...new Set(taken.map(({ what }) => what))].map(each => {
    const sizes = taken.filter(({ what }) => what === each)
    return sizes[sizes.length >> 1]!
  })
}

function grid(bottom: number): string[] {
  return Array.from({ length: DECADES + 1 }, (_, decade) => {
    const x = LABELS + (BAR * decade) / DECADES
    return `<line x1="${x}" y1="26" x2="${x}" y2="${bottom}"/>`
  })
}

function group(work: Taken, top: number): string {
  const bars = work.rows.map(({ name, ratio }, at) => {
    const y = top + 20 + at * ROW
    const width = Math.max(2, Math.min(BAR, (BAR * Math.log10(Math.max(1, ratio))) / DECADES))
    const kind = name.startsWith('veth-nl') ? 'ours' : name === work.basis ? 'limit' : 'peer'
    return [
      `<text x="${LABELS - 8}" y="${y + 11}" text-anchor="end">${escaped(name)}</text>`,
      `<rect class="${kind}" x="${LABELS}" y="${y + 2}" width="${width.toFixed(1)}" height="${ROW - 5}" rx="2"/>`,
      `<text x="${(LABELS + width + 6).toFixed(1)}" y="${y + 11}">${brief(ratio)} ×</text>`,
    ].join('')
  })
  return [`<text x="0" y="${top + 13}" font-weight="600">${escaped(work.title)}</text>`, ...bars].join('\n')
}

function brief(ratio: number): string {
  return ratio >= 100 ? ratio.toFixed(0) : ratio >= 10 ? ratio.toFixed(1) : ratio.toFixed(2)
}
