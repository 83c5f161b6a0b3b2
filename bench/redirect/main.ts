/**
 * How many frames per second arrive when XDP redirects them into a veth, natively and generically: `npm run bench`, as
 * root; docs/bench.md. Exit status 1 where it fails, cannot be compared, or ours is slower than the bound wants beside a C
 * program (not with --quick); 2 for wrong usage; 130 when it is interrupted.
 */
import { boundsOf, lineOf } from './bound.ts'
import type { Case } from './case.ts'
import { NotPutBackError, repairLeftovers } from './changes.ts'
import { type CommandLine, commandLine, USAGE } from './command-line.ts'
import { type Comparison, compareResults } from './compare.ts'
import { renderComparison } from './comparison-text.ts'
import { cpusAllowed } from './cpus.ts'
import { buildEmbeddedScene } from './embedded-scene.ts'
import { describeMachine } from './machine.ts'
import { casesOf } from './matrix.ts'
import { nameOf } from './measure.ts'
import { describeNic } from './nic-record.ts'
import { buildNicScene } from './nic-scene.ts'
import { libbpfOracle } from './oracle.ts'
import { checkFlows } from './pktgen-order.ts'
import { attachesToPeer } from './programs.ts'
import { makeFolder, writeReport } from './report-files.ts'
import { type Results, SCHEMA, VERSION } from './results.ts'
import { readResults } from './results-file.ts'
import { runAll } from './run-all.ts'
import { settingsOf } from './run-settings.ts'
import type { Scene } from './scene.ts'
import { lookOf, renderTable } from './table.ts'
import { xdpTools } from './xdp-tools.ts'

/** What the command line comes to: everything that can be wrong with it is found before anything is measured. */
interface Task {
  readonly line: CommandLine
  readonly cpus: readonly number[]
  readonly cases: readonly Case[]
  readonly before: Results | null
}

function taskOf(args: readonly string[]): Task {
  const line = commandLine(args)
  const cpus = cpusAllowed()
  const before = line.compare === null ? null : readResults(line.compare)
  const isExternal = line.machine !== null && line.machine.from === null
  const cases = casesOf(line, isExternal ? null : cpus.length)
  checkFlows(line.pktgen, Math.max(...cases.map(({ cores }) => cores)))
  if (line.out !== null) makeFolder(line.out)
  return { line, cpus, cases, before }
}

async function bench({ line, cpus, cases }: Task, signal: AbortSignal): Promise<Results> {
  const begun = new Date().toISOString()
  const scene = await openScene(line, cases)
  try {
    const { repeats, milliseconds, seed, quick } = line
    const oracles = [libbpfOracle(scene), ...(await xdpTools(scene))].filter(one => one !== null)
    const measured = await runAll(scene, { cases, repeats, milliseconds, seed, cpus, oracles, signal })
    return {
      schema: SCHEMA,
      version: VERSION,
      begun,
      seed,
      quick,
      settings: await settingsOf(line, cpus, scene),
      machine: describeMachine(),
      path: await pathOf(scene),
      generator: scene.generator?.name ?? 'external',
      ...measured,
    }
  } finally {
    await scene.restore()
  }
}

async function openScene(line: CommandLine, cases: readonly Case[]): Promise<Scene> {
  const { machine, generator, pktgen, force } = line
  if (machine !== null) {
    const options = { generator, pktgen, force, attachesToPeer: cases.some(attachesToPeer) }
    return await buildNicScene(machine, options)
  }
  const queues = Math.max(...cases.map(({ cores }) => cores))
  return await buildEmbeddedScene(queues, generator, pktgen)
}

async function pathOf({ kind, nic, target, peer }: Scene): Promise<Results['path']> {
  return {
    scene: kind,
    nic: await describeNic(nic),
    target: await nameOf(target),
    peer: await nameOf(peer),
  }
}

/**
 * Prints and writes all that was asked for. @returns false where a bound does not hold, which short runs need not, or what
 * was to be compared cannot be.
 */
function report({ line, before }: Task, results: Results): boolean {
  const compared = comparisonWith(before, results)
  const comparison = compared === 'refused' ? null : compared
  const bounds = boundsOf(results)
  if (line.json) {
    process.stdout.write(`${JSON.stringify(results, null, 1)}\n`)
    if (comparison !== null) process.stderr.write(renderComparison(comparison))
  } else {
    process.stdout.write(`${renderTable(results, lookOf(process.stdout))}\n`)
    for (const bound of bounds) process.stdout.write(`${lineOf(bound)}\n`)
    if (comparison !== null) process.stdout.write(`\n${renderComparison(comparison)}`)
  }
  if (line.out !== null) {
    for (const file of writeReport(line.out, results, comparison)) process.stderr.write(`wrote ${file}\n`)
  }
  return compared !== 'refused' && (line.quick || bounds.every(({ holds }) => holds !== false))
}

/** What has been measured is not lost where it cannot be compared. */
function comparisonWith(before: Results | null, results: Results): Comparison | null | 'refused' {
  try {
    return before === null ? null : compareResults(before, results)
  } catch (error) {
    process.stderr.write(`bench: ${(error as Error).message}\n`)
    return 'refused'
  }
}

async function main(task: Task): Promise<number> {
  const interrupt = new AbortController()
  // Again and again: a second signal that found nobody would end it at once, with nothing put back.
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => interrupt.abort())
  // Nor may a terminal or a pipe end it that nobody reads any more.
  process.stderr.on('error', () => {})
  try {
    const left = await repair(task.line.restore)
    if (task.line.restore) return left === 0 ? 0 : 1
    return report(task, await bench(task, interrupt.signal)) ? 0 : 1
  } catch (error) {
    // Whatever failed of it: children get the terminal's signal too, and some earlier than this process.
    if (interrupt.signal.aborted && !(error instanceof NotPutBackError)) {
      process.stderr.write('\nbench: interrupted; everything is as it was before\n')
      return 130
    }
    const { message, stack, code } = error as Error & { code?: unknown }
    const ours = error instanceof TypeError ? stack : message
    process.stderr.write(`bench: ${ours}\n`)
    if (code === 'EPERM') process.stderr.write('It takes root: sudo npm run bench\n')
    return 1
  }
}

/** Puts back what killed runs have left, which must not keep this one from running. @returns how much is left of it. */
async function repair(isAll: boolean): Promise<number> {
  const { done, left } = await repairLeftovers()
  for (const line of done) process.stderr.write(`put back, of a run that was killed: ${line}\n`)
  for (const line of left) process.stderr.write(`not put back, of a run that was killed: ${line}\n`)
  if (isAll && done.length + left.length === 0) process.stderr.write('there is nothing to put back\n')
  return left.length
}

function parsed(): Task {
  try {
    return taskOf(process.argv.slice(2))
  } catch (error) {
    process.stderr.write(`bench: ${(error as Error).message}\n\n${USAGE}`)
    process.exit(2)
  }
}

process.exitCode = await main(parsed())
