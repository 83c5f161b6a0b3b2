import { spawn } from 'node:child_process'
import { mkdirSync, openSync, readFileSync } from 'node:fs'
import { release } from 'node:os'
import { join } from 'node:path'
import { layOver } from './checkout.ts'
import { type Capability, count, type KernelResult, type Outcome, OutcomeLines } from './outcomes.ts'
import { follow, type Machine, runInVm } from './vm.ts'

export interface TestRun {
  readonly checkout: string
  /** Relative to the checkout, as TypeScript. */
  readonly files: readonly string[]
  /** Where the checkout was compiled to, and where this runner was. */
  readonly compiled: string
  readonly runner: string
  /** A folder of this kernel's own, not there yet. */
  readonly folder: string
  /** Seconds. */
  readonly limit: number
  /** Whether to try what the kernel can do besides. */
  readonly capabilities: boolean
  /** Whether errors tell lines of the TypeScript, which an emulated Node takes long to learn. */
  readonly sourceMaps?: boolean
  readonly say: (line: string) => void
}

const OUTCOMES = 'outcomes.ndjson'
const CAPABILITIES = 'capabilities.json'
const TRIALS = 'test/kernels/capabilities'

/** The tests in a virtual machine, as root. */
async function testsInVm(machine: Machine, run: TestRun): Promise<KernelResult> {
  const files = run.files.map(file => `'${file.replace(/\.ts$/, '.js')}'`)
  const reporter = `--test-reporter='${run.runner}/test/kernels/reporter.js' --test-reporter-destination=/run/job/${OUTCOMES}`
  const script = `${layOver(run.checkout, run.compiled)}cd '${run.checkout}'
# Before Linux 5.11 programs and maps count against it, and what was let go of is uncounted late.
ulimit -l unlimited
export VETH_NL_EMULATED=1 CI='${process.env.CI ?? ''}'
node ${run.sourceMaps ? '--enable-source-maps ' : ''}--test --test-concurrency=1 ${reporter} ${files.join(' ')}
status=$?
${run.capabilities ? `node ${TRIALS}.js >/run/job/${CAPABILITIES}` : ''}
exit $status
`
  return watched(machine.name, run, watch =>
    runInVm(machine, { script, folder: run.folder, limit: run.limit, watch }),
  )
}

/** A random walk that finds something may not find it a second time. */
const NEVER_AGAIN = /\/walk\//

/**
 * The same; files in which something fails are run once more, by themselves in a machine that has just booted, and what
 * they do then counts: two emulated machines share the processor, and a test may wait in vain. It is said, though.
 */
export async function testsInVmAgain(machine: Machine, run: TestRun): Promise<KernelResult> {
  const first = await testsInVm(machine, run)
  const failed = new Set(
    first.tests.filter(({ outcome }) => outcome === 'failed').map(({ file }) => sourceOf(file)),
  )
  const files = run.files.filter(file => failed.has(file))
  if (first.failure !== null || files.length === 0 || files.some(file => NEVER_AGAIN.test(file))) return first
  run.say(`${first.release}: once more: ${files.join(', ')}`)
  const second = await testsInVm(machine, {
    ...run,
    files,
    folder: `${run.folder}-again`,
    capabilities: false,
    sourceMaps: true,
  })
  const kept = first.tests.filter(({ file }) => !files.includes(sourceOf(file)))
  const { failure } = second
  return { ...first, seconds: first.seconds + second.seconds, failure, tests: [...kept, ...second.tests] }
}

/** What an outcome calls foo.js was compiled from foo.ts. */
function sourceOf(file: string): string {
  return file.replace(/\.js$/, '.ts')
}

/** The same tests on the running kernel, as whoever we are. */
export async function testsHere(run: TestRun): Promise<KernelResult> {
  mkdirSync(run.folder, { recursive: true })
  const reporter = `--test-reporter=${run.runner}/test/kernels/reporter.js`
  const to = `--test-reporter-destination=${join(run.folder, OUTCOMES)}`
  return watched(release(), run, async watch => {
    const watching = setInterval(watch, 200)
    const status = await node(run, 'stdout', '--test', reporter, to, ...run.files)
    clearInterval(watching)
    watch()
    if (run.capabilities) await node(run, CAPABILITIES, `${TRIALS}.ts`)
    return status
  })
}

/** Runs Node on the TypeScript of the checkout; its exit status. */
function node({ checkout, folder, limit }: TestRun, stdout: string, ...words: string[]): Promise<number> {
  const command = ['--pdeathsig', 'TERM', process.execPath, '--import', 'tsx', ...words]
  const [out, err] = [openSync(join(folder, stdout), 'w'), openSync(join(folder, 'stderr'), 'a')]
  const child = spawn('setpriv', command, {
    cwd: checkout,
    stdio: ['ignore', out, err],
    timeout: limit * 1000,
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (status, signal) => {
      if (status === null) reject(new Error(`ended by ${signal}; the limit is ${limit} s`))
      else resolve(status)
    })
  })
}

async function watched(
  release: string,
  { folder, say, capabilities }: TestRun,
  start: (watch: () => void) => Promise<number>,
): Promise<KernelResult> {
  const began = performance.now()
  const lines = new OutcomeLines()
  const more = follow(join(folder, OUTCOMES))
  const tell = progress(lines.outcomes, line => say(`${release}: ${line}`))
  let [failure, found]: [string | null, Capability[] | null] = [null, null]
  try {
    const status = await start(() => tell(lines.add(more().toString())))
    // A status that the outcomes do not explain.
    if ((status !== 0) !== count(lines.outcomes, 'failed') > 0)
      failure = `node --test ended with status ${status}\n${readFileSync(join(folder, 'stderr'), 'utf8')}`
    if (capabilities) found = JSON.parse(readFileSync(join(folder, CAPABILITIES), 'utf8'))
  } catch (error) {
    failure = (error as Error).message
  }
  const seconds = Math.round((performance.now() - began) / 1000)
  say(
    `${release}: ${summary(lines.outcomes)} in ${seconds} s${failure === null ? '' : `, broken: ${failure}`}`,
  )
  return { release, seconds, tests: lines.outcomes, failure, capabilities: found }
}

/** Tells each failure at once, and every half minute how far it has come. */
function progress(all: readonly Outcome[], say: (line: string) => void): (fresh: readonly Outcome[]) => void {
  let told = { at: performance.now(), tests: 0 }
  return fresh => {
    for (const { outcome, file, name } of fresh)
      if (outcome === 'failed') say(`failed: ${[file, ...name].join(' > ')}`)
    if (performance.now() - told.at < 30e3 || all.length === told.tests) return
    told = { at: performance.now(), tests: all.length }
    say(summary(all))
  }
}

function summary(tests: readonly Outcome[]): string {
  return (['passed', 'failed', 'skipped'] as const).map(each => `${count(tests, each)} ${each}`).join(', ')
}
