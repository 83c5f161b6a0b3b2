import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createNetns, type Device } from '../../src/sync.ts'
import { NetlinkError } from '../../src/wire/errors.ts'
import { needsLiveFrames } from '../tools/kernel-needs.ts'
import { needsRoot } from '../tools/netns.ts'
import { EXTENSION, LOADER, needsNoKernel, often } from '../tools/this-run.ts'
import { canariesIn, loadedPrograms, processesOf } from './left-behind.ts'

const main = new URL(`../../bench/redirect/main${EXTENSION}`, import.meta.url).pathname
const KILLS = often(20, 2)

interface Remains {
  readonly programs: number
  readonly processes: number
  readonly files: number
  readonly namespaces: number
}
const NOTHING: Remains = { programs: 0, processes: 0, files: 0, namespaces: 0 }

function start(folder: string): ChildProcess {
  return spawn(process.execPath, [...LOADER, main, '--quick', '--repeats', '50'], {
    detached: true, // a process group of its own, by which its processes are found
    stdio: 'ignore',
    env: { ...process.env, TMPDIR: folder },
  })
}

function loadedBy({ pid }: ChildProcess): number {
  return loadedPrograms().filter(name => name === `bench_${pid}`).length
}

/** Until it has loaded a program for each mode, and so made everything else. */
async function itMeasures(child: ChildProcess): Promise<void> {
  while (child.exitCode === null && loadedBy(child) < 2) await sleep(20)
}

interface Killed {
  /** What it had made by then, and what is left of that. */
  readonly made: Remains
  readonly left: Remains
  /** Milliseconds from its start. */
  readonly after: number
}

/** Starts the benchmark, and kills it at the moment that is waited for. */
async function killWhen(comes: (child: ChildProcess) => Promise<void>, t: TestContext): Promise<Killed> {
  const netns = createNetns()
  const folder = mkdtempSync(join(tmpdir(), 'veth-nl-kill-'))
  t.after(() => {
    netns.remove()
    rmSync(folder, { recursive: true, force: true })
  })
  const child = start(folder)
  const ended = once(child, 'exit')
  const pid = child.pid!
  const begun = performance.now()
  await comes(child)
  const after = performance.now() - begun
  const canaries = canariesIn(pid, netns)
  const remains = (): Remains => ({
    programs: loadedBy(child),
    processes: processesOf(pid).length,
    files: readdirSync(folder).filter(name => name.startsWith('veth-nl-')).length, // not tsx's cache
    namespaces: canaries.filter(isThere).length,
  })
  const made = remains()
  child.kill('SIGKILL')
  await ended
  let left = remains()
  // Files go by a shell, programs and namespaces by workers of the kernel, which take the whole machine's one by one.
  for (let patience = 2400; patience > 0 && Object.values(left).some(count => count > 0); patience--) {
    await sleep(50)
    left = remains()
  }
  return { made, left, after }
}

function isThere(device: Device): boolean {
  try {
    return device.getLink().name !== ''
  } catch (error) {
    if (error instanceof NetlinkError && error.code === 'ENODEV') return false
    throw error
  }
}

describe('the benchmark, killed by SIGKILL', { skip: needsRoot || needsLiveFrames }, () => {
  it(`at ${KILLS} random moments leaves no program, process, file or namespace`, async t => {
    const { made, left, after } = await killWhen(itMeasures, t)
    // Else nothing of this would be tested.
    assert.ok(made.programs >= 2 && made.processes >= 1 && made.namespaces >= 3, JSON.stringify(made))
    assert.deepEqual(left, NOTHING)

    const killOften = async () => {
      for (let kills = 0; kills < KILLS / 2; kills++) {
        const moment = Math.round(2 * after * Math.random())
        const { left } = await killWhen(() => sleep(moment), t)
        assert.deepEqual(left, NOTHING, `killed after ${moment} ms`)
      }
    }
    await Promise.all([killOften(), killOften()])
  })
})

const LIBBPF = '/usr/include/bpf/libbpf.h'

/** Until the program in C runs beside it. */
async function theCProgramRuns(child: ChildProcess): Promise<void> {
  const runs = () => processesOf(child.pid!).some(pid => commandOf(pid) === 'redirect\n')
  while (child.exitCode === null && !runs()) await sleep(2)
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8')
  } catch {
    return ''
  }
}

const needsLibbpf: string | false = existsSync(LIBBPF) ? false : 'needs libbpf, for the program in C'

it('the benchmark, interrupted while a program in C runs beside it, says so and nothing else', {
  skip: needsRoot || needsLiveFrames || needsLibbpf || needsNoKernel,
}, async () => {
  const only = ['--only', 'native,gro,64,bpf_redirect,cores=1', '--repeats', '50', '--milliseconds', '300']
  const child = spawn(process.execPath, [...LOADER, main, ...only], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = Promise.all([once(child, 'close'), text(child.stderr)])
  await theCProgramRuns(child)
  process.kill(-child.pid!, 'SIGINT') // as a terminal does: the other program gets it too
  const [[status], stderr] = await ended
  assert.equal(status, 130, stderr)
  assert.match(stderr, /\nbench: interrupted; everything is as it was before\n$/)
  assert.doesNotMatch(stderr, /redirect\.c|given up/)
})
