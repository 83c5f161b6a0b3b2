import { spawn } from 'node:child_process'
import { mkdirSync, openSync, readFileSync } from 'node:fs'
import { release } from 'node:os'
import { join } from 'node:path'
import { layOver } from './checkout.ts'
import type { Boot } from './initramfs.ts'
import { count, type KernelResult, type Outcome, OutcomeLines } from './outcomes.ts'
import { follow, runInVm } from './vm.ts'

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
  readonly say: (line: string) => void
}

const NDJSON = 'outcomes.ndjson'

/** The tests in a virtual machine of this kernel, as root. */
export async function testsInVm(boot: Boot, run: TestRun): Promise<KernelResult> {
  const files = run.files.map(file => `'${file.replace(/\.ts$/, '.js')}'`)
  const reporter = `--test-reporter='${run.runner}/test/kernels/reporter.js'`
  const script = `${layOver(run.checkout, run.compiled)}cd '${run.checkout}'
uname -r >/run/job/release
node --enable-source-maps --test --test-concurrency=2 ${reporter} --test-reporter-destination=/run/job/${NDJSON} ${files.join(' ')}
`
  return watched(boot.release, run, watch =>
    runInVm(boot, { script, folder: run.folder, limit: run.limit, watch }),
  )
}

/** The same tests on the running kernel, as whoever we are. */
export async function testsHere(run: TestRun): Promise<KernelResult> {
  const reporter = [`--test-reporter=${run.runner}/test/kernels/reporter.js`]
  reporter.push(`--test-reporter-destination=${join(run.folder, NDJSON)}`)
  const node = [process.execPath, '--import', 'tsx', '--test', ...reporter, ...run.files]
  return watched(release(), run, watch => {
    mkdirSync(run.folder, { recursive: true })
    const output = openSync(join(run.folder, 'stderr'), 'w')
    const child = spawn('setpriv', ['--pdeathsig', 'TERM', ...node], {
      cwd: run.checkout,
      stdio: ['ignore', output, output],
      timeout: run.limit * 1000,
    })
    const watching = setInterval(watch, 200)
    return new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (status, signal) => {
        clearInterval(watching)
        watch()
        if (status === null) reject(new Error(`ended by ${signal}; the limit is ${run.limit} s`))
        else resolve(status)
      })
    })
  })
}

async function watched(
  release: string,
  { folder, say }: TestRun,
  start: (watch: () => void) => Promise<number>,
): Promise<KernelResult> {
  const began = performance.now()
  const seconds = () => Math.round((performance.now() - began) / 1000)
  const lines = new OutcomeLines()
  const more = follow(join(folder, NDJSON))
  const tell = progress(lines.outcomes, line => say(`${release}: ${line}`))
  const watch = () => tell(lines.add(more().toString()))
  let failure: string | null = null
  try {
    const status = await start(watch)
    if ((status !== 0) !== count(lines.outcomes, 'failed') > 0)
      failure = `node --test ended with status ${status}\n${readFileSync(join(folder, 'stderr'), 'utf8')}`
  } catch (error) {
    failure = (error as Error).message
  }
  const result = { release, seconds: seconds(), tests: lines.outcomes, failure }
  say(
    `${release}: ${summary(result.tests)} in ${result.seconds} s${failure === null ? '' : `, broken: ${failure}`}`,
  )
  return result
}

/** Tells each failure at once, and every half minute how far it has come. */
function progress(all: readonly Outcome[], say: (line: string) => void): (fresh: readonly Outcome[]) => void {
  let told = performance.now()
  return fresh => {
    for (const { outcome, file, name } of fresh)
      if (outcome === 'failed') say(`failed: ${[file, ...name].join(' > ')}`)
    if (performance.now() - told < 30e3) return
    told = performance.now()
    say(summary(all))
  }
}

function summary(tests: readonly Outcome[]): string {
  return (['passed', 'failed', 'skipped'] as const).map(each => `${count(tests, each)} ${each}`).join(', ')
}
