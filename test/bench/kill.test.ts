import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createNetns, type Device } from '../../src/sync.ts'
import { NetlinkError } from '../../src/wire/errors.ts'
import { needsLiveFrames } from '../tools/kernel-needs.ts'
import { needsRoot } from '../tools/netns.ts'
import { EXTENSION, LOADER, often } from '../tools/this-run.ts'
import { canariesIn, loadedPrograms, processesOf } from './left-behind.ts'

const main = new URL(`../../bench/redirect/main${EXTENSION}`, import.meta.url).pathname
const KILLS = often(20, 2)
/** From the start to beyond the first timed runs. */
const LATEST_MS = often(6000, 60_000)

interface Remains {
  readonly programs: number
  readonly processes: number
  readonly files: number
  readonly namespaces: number
}
const NOTHING: Remains = { programs: 0, processes: 0, files: 0, namespaces: 0 }

/** Starts the benchmark, kills it after some time, and says what it had made by then, and what is left of that. */
async function killAfter(milliseconds: number, t: TestContext): Promise<{ made: Remains; left: Remains }> {
  const netns = createNetns()
  const folder = mkdtempSync(join(tmpdir(), 'veth-nl-kill-'))
  t.after(() => {
    netns.remove()
    rmSync(folder, { recursive: true, force: true })
  })
  const child = spawn(process.execPath, [...LOADER, main, '--quick', '--repeats', '50'], {
    detached: true, // a process group of its own, by which its processes are found
    stdio: 'ignore',
    env: { ...process.env, TMPDIR: folder },
  })
  const ended = new Promise(resolve => child.once('exit', resolve))
  const pid = child.pid!
  await sleep(milliseconds)
  const canaries = canariesIn(pid, netns)
  const remains = (): Remains => ({
    programs: loadedPrograms().filter(name => name === `bench_${pid}`).length,
    processes: processesOf(pid).length,
    files: readdirSync(folder).filter(name => name.startsWith('veth-nl-')).length, // not tsx's cache
    namespaces: canaries.filter(isThere).length,
  })
  const made = remains()
  child.kill('SIGKILL')
  await ended
  let left = remains()
  // Files go by a shell, programs and namespaces by workers of the kernel, which take the whole machine's one by one.
  for (let patience = 600; patience > 0 && Object.values(left).some(count => count > 0); patience--) {
    await sleep(50)
    left = remains()
  }
  return { made, left }
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
    const most = { programs: 0, processes: 0, files: 0, namespaces: 0 }
    const killOften = async () => {
      for (let kills = 0; kills < KILLS / 2; kills++) {
        const after = Math.round(LATEST_MS * Math.random())
        const { made, left } = await killAfter(after, t)
        assert.deepEqual(left, NOTHING, `killed after ${after} ms`)
        for (const kind of Object.keys(most) as (keyof Remains)[])
          most[kind] = Math.max(most[kind], made[kind])
      }
    }
    await Promise.all([killOften(), killOften()])
    // Else nothing of this would have been tested.
    assert.ok(most.programs >= 2 && most.processes >= 1 && most.namespaces >= 3, JSON.stringify(most))
  })
})
