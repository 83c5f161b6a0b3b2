import { accessSync, constants, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { renderCharts } from './charts.ts'
import type { Comparison } from './compare.ts'
import { renderMarkdown } from './markdown.ts'
import type { Results } from './results.ts'
import { writeResults, writeWhole } from './results-file.ts'

/** Makes the folder of a report where it is missing. @throws SystemError where none can be, or nothing be written there. */
export function makeFolder(folder: string): void {
  mkdirSync(folder, { recursive: true })
  accessSync(folder, constants.W_OK)
}

/** --out: results.json, report.md and the charts, in a folder that is made where it is missing. @returns their paths. */
export function writeReport(
  folder: string,
  results: Results,
  comparison: Comparison | null = null,
): string[] {
  makeFolder(folder)
  const charts = renderCharts(results)
  const json = join(folder, 'results.json')
  writeResults(json, results)
  const others = new Map([...charts, ['report.md', renderMarkdown(results, [...charts.keys()], comparison)]])
  for (const [name, content] of others) writeWhole(join(folder, name), content)
  return [json, ...[...others.keys()].map(name => join(folder, name))]
}
