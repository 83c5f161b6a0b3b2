/**
 * How many frames per second arrive when XDP redirects them into a veth, natively and generically: `npm run bench`, as
 * root; docs/bench.md. Exit status 1 where ours is slower than a C program by more than the bound (not with --quick), 2
 * for wrong usage, 130 when it is interrupted.
 */
import { besideOthers } from './beside.ts'
import { type CommandLine, commandLine, USAGE } from './command-line.ts'
import { compareResults } from './compare.ts'
import { renderComparison } from './comparison-text.ts'
import { cpusAllowed } from './cpus.ts'
import { buildEmbeddedScene } from './embedded-scene.ts'
import { describeMachine } from './machine.ts'
import { casesOf } from './matrix.ts'
import { nameOf } from './measure.ts'
import { describeNic } from './nic-record.ts'
import { buildNicScene } from './nic-scene.ts'
import { libbpfOracle } from './oracle.ts'
import { writeReport } from './report-files.ts'
import { type Results, SCHEMA, VERSION } from './results.ts'
import { readResults } from './results-file.ts'
import { runAll } from './run-all.ts'
import type { Scene } from './scene.ts'
import { lookOf, renderTable } from './table.ts'

/** What ours must reach of the same by a C program with libbpf. */
const LEAST_OF_C = 0.95

async function bench(line: CommandLine, signal: AbortSignal): Promise<Results> {
  const cpus = cpusAllowed()
  const cases = casesOf(line, cpus.length)
  const begun = new Date().toISOString()
  const queues = Math.max(...cases.map(({ cores }) => cores))
  const scene =
    line.machine === null
      ? await buildEmbeddedScene(queues, line.generator)
      : await buildNicScene(line.machine, line.generator, line.force)
  try {
    const { repeats, milliseconds, seed, quick } = line
    const oracle = libbpfOracle(scene)
    const measured = await runAll(scene, { cases, repeats, milliseconds, seed, cpus, oracle, signal })
    return {
      schema: SCHEMA,
      version: VERSION,
      begun,
      seed,
      quick,
      machine: describeMachine(),
      path: await pathOf(scene),
      generator: scene.generator?.name ?? 'external',
      ...measured,
    }
  } finally {
    await scene.restore()
  }
}

async function pathOf({ kind, nic, target, peer }: Scene): Promise<Results['path']> {
  return {
    scene: kind,
    nic: await describeNic(nic),
    target: await nameOf(target),
    peer: await nameOf(peer),
  }
}

/** Prints and writes all that was asked for. @returns whether ours is as fast as the C program. */
function report(line: CommandLine, results: Results): boolean {
  const comparison = line.compare === null ? null : compareResults(readResults(line.compare), results)
  const bounds = besideOthers(results).flatMap(({ what, by, ratio }) =>
    ratio === null ? [] : [{ what, by, ratio: ratio.ratio, holds: ratio.ratio >= LEAST_OF_C }],
  )
  if (line.json) {
    process.stdout.write(`${JSON.stringify(results, null, 1)}\n`)
  } else {
    process.stdout.write(`${renderTable(results, lookOf(process.stdout))}\n`)
    for (const { what, by, ratio, holds } of bounds) {
      const is = `${ratio.toFixed(2)} × ${by}, at least ${LEAST_OF_C} ×: ${holds ? 'holds' : 'DOES NOT HOLD'}`
      process.stdout.write(`${what}: ${is}\n`)
    }
    if (comparison !== null) process.stdout.write(`\n${renderComparison(comparison)}`)
  }
  if (line.out !== null) {
    for (const file of writeReport(line.out, results, comparison)) process.stderr.write(`wrote ${file}\n`)
  }
  return bounds.every(({ holds }) => holds)
}

function parsed(): CommandLine {
  try {
    return commandLine(process.argv.slice(2))
  } catch (error) {
    process.stderr.write(`bench: ${(error as Error).message}\n\n${USAGE}`)
    process.exit(2)
  }
}

const line = parsed()
const interrupt = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interrupt.abort())
try {
  const holds = report(line, await bench(line, interrupt.signal))
  if (!holds && !line.quick) process.exitCode = 1
} catch (error) {
  if (!interrupt.signal.aborted) throw error
  process.stderr.write('\nbench: interrupted; everything is as it was before\n')
  process.exitCode = 130
}
