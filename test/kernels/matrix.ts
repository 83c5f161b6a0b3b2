/**
 * Runs the tests that a kernel decides on Debian's kernels, in virtual machines, and on the running one:
 *
 *   npm run test:kernels -- [--kernel 6.1]… [--emulated] [--files part]… [--jobs N] [--cpus N] [--limit S] [--out DIR] [--docs]
 *     [--keep]
 *
 * A kernel is named by the beginning of its release, 'host' is the running one; --emulated is all but that. A machine has two
 * NICs of virtio's, back to back; 6.12/igb has two of Intel's instead, and runs only the tests of NICs. --files takes parts of
 * the files' names, --cpus how many a machine has, --limit seconds for each. --out writes what each test did as JSON, --docs
 * rewrites docs/kernels.md, --keep leaves the machines' files to be looked at. With --run COMMAND the machines run that
 * instead, where this was started, and what it prints and its exit status are passed on. `checkout` is the current directory.
 * Exit status 1 where a test fails, 2 for wrong usage or what is missing.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { bundle, compile, isCheckout, kernelTests, layOver } from './checkout.ts'
import { kernelsPage } from './docs.ts'
import { HOST, MACHINES, machineOf, testsFor } from './machines.ts'
import { isGood, type KernelResult } from './outcomes.ts'
import { Packages } from './packages.ts'
import { asText } from './report.ts'
import { CACHE, runFolder } from './run-folder.ts'
import { testsHere, testsInVmAgain } from './tests.ts'
import { whatIsMissing } from './tools.ts'
import { follow, runInVm } from './vm.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')

function say(line: string): void {
  process.stderr.write(`test:kernels: ${line}\n`)
}

function stop(line: string): never {
  say(line)
  process.exit(2)
}

function commandLine() {
  try {
    const { values } = parseArgs({
      options: {
        kernel: { type: 'string', multiple: true },
        emulated: { type: 'boolean', default: false },
        files: { type: 'string', multiple: true, default: [] },
        jobs: { type: 'string', default: '2' },
        cpus: { type: 'string', default: '2' },
        limit: { type: 'string', default: '3600' },
        out: { type: 'string' },
        run: { type: 'string' },
        docs: { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
      },
    })
    const [jobs, limit, cpus] = [values.jobs, values.limit, values.cpus].map(Number)
    if (!(jobs! > 0 && limit! > 0 && cpus! > 0))
      throw new TypeError('--jobs, --limit and --cpus take numbers')
    const kernels =
      values.kernel ?? (values.emulated || values.run !== undefined ? MACHINES : [HOST, ...MACHINES])
    if (values.emulated && values.kernel !== undefined)
      throw new TypeError('--emulated is all of them: it takes no --kernel')
    return { ...values, jobs: jobs!, limit: limit!, cpus: cpus!, kernels }
  } catch (error) {
    stop((error as Error).message)
  }
}

const options = commandLine()
const checkout = process.cwd()
const { kernels, limit, cpus } = options
const inVms = kernels.filter(kernel => kernel !== HOST)
const missing = inVms.length > 0 ? whatIsMissing() : null
if (missing !== null) stop(missing)
const folder = runFolder(options.keep, say)
const packages = new Packages(CACHE, say)
const machines = new Map(inVms.map(kernel => [kernel, machineOf(kernel, cpus, packages, CACHE)]))

/** At most `jobs` at a time; the results are in the order of the kernels. */
async function onEach<T>(work: (kernel: string) => Promise<T>): Promise<T[]> {
  const results: T[] = []
  const waiting = kernels.entries()
  const worker = async () => {
    for (const [at, kernel] of waiting) results[at] = await work(kernel)
  }
  await Promise.all(Array.from({ length: options.jobs }, worker))
  return results
}

/** One machine's output is passed on as it comes, that of several one by one. */
async function runCommand(command: string): Promise<number> {
  const compiled = join(folder, 'compiled')
  const overlay = isCheckout(checkout) ? layOver(checkout, compiled) : ''
  if (overlay !== '') compile(checkout, compiled)
  const script = `${overlay}cd '${checkout}'\n${command}\n`
  const statuses = await onEach(async kernel => {
    const machine = machines.get(kernel) ?? stop('--run is for virtual machines')
    const job = join(folder, machine.name)
    const [stdout, stderr] = [follow(join(job, 'stdout')), follow(join(job, 'stderr'))]
    const pass = () => {
      process.stdout.write(stdout())
      process.stderr.write(stderr())
    }
    const status = await runInVm(machine, {
      script,
      folder: job,
      limit,
      ...(kernels.length === 1 && { watch: pass }),
    })
    if (kernels.length > 1) process.stderr.write(`== ${machine.name}: exit status ${status}\n`)
    pass()
    return status
  })
  return statuses.find(status => status !== 0) ?? 0
}

async function runTests(): Promise<KernelResult[]> {
  const meant = kernelTests(checkout, options.files)
  if (meant.length === 0) stop(`no test file of ${checkout} is meant`)
  const [compiled, runner] = [join(folder, 'compiled'), join(folder, 'runner')]
  compile(checkout, compiled)
  bundle(checkout, meant, compiled)
  compile(ROOT, runner)
  return onEach(kernel => {
    const machine = machines.get(kernel)
    const files = testsFor(machine, meant)
    const run = {
      checkout,
      files,
      compiled,
      runner,
      folder: join(folder, machine?.name ?? HOST),
      limit,
      capabilities: options.docs && machine?.nics !== 'igb',
      say,
    }
    return machine === undefined ? testsHere(run) : testsInVmAgain(machine, run)
  })
}

if (options.run !== undefined) process.exit(await runCommand(options.run))
const results = await runTests()
if (options.out !== undefined) {
  mkdirSync(options.out, { recursive: true })
  for (const result of results)
    writeFileSync(join(options.out, `${result.release}.json`), `${JSON.stringify(result, null, 1)}\n`)
}
if (options.docs && results.every(({ failure }) => failure === null))
  writeFileSync(join(checkout, 'docs/kernels.md'), kernelsPage(results, options.files.length === 0))
process.stdout.write(asText(results))
process.exit(results.every(isGood) ? 0 : 1)
