import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { JOURNALS } from '../../bench/redirect/journal.ts'
import { createNetns, createVethPair, type Device, type NetnsHandle } from '../../src/sync.ts'
import { testInPrivateMounts } from '../api/again.ts'
import { needsLiveFrames } from '../tools/kernel-needs.ts'
import { EXTENSION, LOADER, often } from '../tools/this-run.ts'

/*
 * A network namespace stands for the machine, with a port gen0 that is wired to nic0, and a veth into which nic0
 * redirects. /run is the test's own, so the journals there are too.
 */
const main = new URL(`../../bench/redirect/main${EXTENSION}`, import.meta.url).pathname
const KILLS = often(5, 1)

interface Machine {
  readonly netns: NetnsHandle
  readonly nic: Device
  readonly target: Device
  readonly peer: Device
}

function makeMachine(t: TestContext): Machine {
  const netns = createNetns()
  t.after(() => netns.remove())
  const end = { up: true, addrGenMode: 'none' } as const
  const [nic] = createVethPair({ name: 'nic0', netns, ...end, peer: { name: 'gen0', ...end } })
  const [target, peer] = createVethPair({ name: 'veth0', netns, ...end, peer: { name: 'eth0', ...end } })
  return { netns, nic, target, peer }
}

function start({ netns }: Machine, ...words: string[]): ChildProcess {
  const inside = [`--net=/proc/${process.pid}/fd/${netns.fd}`, process.execPath, ...LOADER, main]
  return spawn('nsenter', [...inside, ...words], { stdio: ['ignore', 'pipe', 'pipe'] })
}

async function ended(child: ChildProcess) {
  let [stdout, stderr] = ['', '']
  child.stdout!.on('data', text => (stdout += text))
  child.stderr!.on('data', text => (stderr += text))
  const status = await new Promise(resolve => child.once('close', (code, signal) => resolve(signal ?? code)))
  return { status, stdout, stderr }
}

const RUN = ['--nic', 'nic0', '--target', 'veth0', '--from', 'gen0', '--generator', 'live-frames', '--quick']

/** All that a run could leave changed. */
function stateOf({ nic, target, peer }: Machine) {
  return [nic, target, peer].map(device => {
    const { flags, mtu, xdp } = device.getLink()
    const wanted = Object.entries(device.getFeatures()).map(([name, feature]) => [name, feature.wanted])
    return { name: device.name, flags, mtu, program: xdp?.mode ?? 'none', wanted }
  })
}

function programsOf({ nic, target, peer }: Machine): string[] {
  return [nic, target, peer].map(device => device.getXdp().mode)
}

/** Until it has changed something. */
async function untilItChanges(): Promise<void> {
  for (let patience = often(3000, 30_000); !existsSync(JOURNALS); patience--) {
    assert.ok(patience > 0, 'it notes nothing')
    await sleep(10)
  }
}

const skip = needsLiveFrames

testInPrivateMounts("a run on the machine's devices leaves them as they were", async t => {
  if (skip) return t.skip(skip)
  const machine = makeMachine(t)
  const before = stateOf(machine)
  const { status, stdout, stderr } = await ended(start(machine, ...RUN, '--json'))
  assert.equal(status, 0, stderr)
  const { path, cases } = JSON.parse(stdout)
  assert.equal(path.scene, 'nic')
  for (const { case: each, explained, runs } of cases) {
    for (const { sent, delivered } of runs)
      assert.equal(delivered, explained.reason === null ? sent : 0, JSON.stringify(each))
  }
  assert.deepEqual(stateOf(machine), before)
  assert.equal(existsSync(JOURNALS), false)
})

testInPrivateMounts('an interrupted run puts everything back', async t => {
  if (skip) return t.skip(skip)
  const machine = makeMachine(t)
  const before = stateOf(machine)
  const child = start(machine, ...RUN, '--repeats', '50')
  const end = ended(child)
  await untilItChanges()
  child.kill('SIGINT')
  const { status, stderr } = await end
  assert.equal(status, 130, stderr)
  assert.deepEqual(stateOf(machine), before)
  assert.equal(existsSync(JOURNALS), false)
})

testInPrivateMounts('what a killed run left changed is put back by --restore, or the next run', async t => {
  if (skip) return t.skip(skip)
  const machine = makeMachine(t)
  const before = stateOf(machine)
  let changed = 0
  for (let kills = 0; kills < KILLS; kills++) {
    const child = start(machine, ...RUN, '--repeats', '50')
    const end = ended(child)
    await untilItChanges()
    await sleep(1500 * Math.random())
    child.kill('SIGKILL')
    await end
    for (let patience = 100; programsOf(machine).some(mode => mode !== 'none') && patience > 0; patience--)
      await sleep(20)
    assert.deepEqual(programsOf(machine), ['none', 'none', 'none'])
    if (JSON.stringify(stateOf(machine)) !== JSON.stringify(before)) changed++
    const { status, stderr } = await ended(start(machine, '--restore'))
    assert.equal(status, 0, stderr)
    assert.match(stderr, /put back, of a run that was killed: gro off at /)
    assert.deepEqual(stateOf(machine), before)
    assert.equal(existsSync(JOURNALS), false)
  }
  assert.ok(changed > 0, 'else nothing was put back')
})
