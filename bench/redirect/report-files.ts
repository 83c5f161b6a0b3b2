import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { renderCharts } from './charts.ts'
import type { Comparison } from './compare.ts'
import { renderMarkdown } from './markdown.ts'
import type { Results } from './results.ts'
import { writeResults, writeWhole } from './results-file.ts'

/** --out: results.json, report.md and the charts, in a folder that is made where it is missing. @returns their paths. */
export function writeReport(
  folder: string,
  results: Results,
  comparison: Comparison | null = null,
): string[] {
  mkdirSync(folder, { recursive: true })
  const charts = renderCharts(results)
  const json = join(folder, 'results.json')
  writeResults(json, results)
  const others = new Map([...charts, ['report.md', renderMarkdown(results, [...charts.keys()], comparison)]])
  for (const [name, content] of others) writeWhole(join(folder, name), content)
  return [json, ...[...others.keys()].map(name => join(folder, name))]
}
