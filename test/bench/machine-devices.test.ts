import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { JOURNALS } from '../../bench/redirect/journal.ts'
import { testInPrivateMounts } from '../api/again.ts'
import { needsLiveFrames } from '../tools/kernel-needs.ts'
import { EXTENSION, often } from '../tools/this-run.ts'
import {
  ended,
  inside,
  makeMachine,
  programsOf,
  RUN,
  start,
  stateOf,
  untilItChanges,
} from './machine-devices.ts'

const KILLS = often(5, 1)

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

testInPrivateMounts('an interrupted run puts everything back, however often it is told', async t => {
  if (skip) return t.skip(skip)
  const machine = makeMachine(t)
  const before = stateOf(machine)
  for (const signals of [
    ['SIGINT'],
    ['SIGINT', 'SIGINT', 'SIGINT'],
    ['SIGHUP', 'SIGTERM', 'SIGTERM'],
  ] as const) {
    const child = start(machine, ...RUN, '--repeats', '50')
    const end = ended(child)
    await untilItChanges()
    for (const signal of signals) {
      child.kill(signal)
      await sleep(20)
    }
    const { status, stderr } = await end
    assert.equal(status, 130, stderr)
    assert.match(stderr, /\nbench: interrupted; everything is as it was before\n$/)
    assert.deepEqual(stateOf(machine), before)
    assert.equal(existsSync(JOURNALS), false)
  }
})

testInPrivateMounts('npm run bench, interrupted by a terminal, puts everything back', async t => {
  if (skip) return t.skip(skip)
  if (EXTENSION !== '.ts') return t.skip('there is no npm')
  const machine = makeMachine(t)
  const before = stateOf(machine)
  const npm = ['npm', 'run', '--silent', 'bench', '--', ...RUN, '--repeats', '50']
  const cache = mkdtempSync(join(tmpdir(), 'veth-nl-npm-'))
  t.after(() => rmSync(cache, { recursive: true, force: true }))
  const child = inside(machine, npm, {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: { ...process.env, npm_config_cache: cache }, // else it makes one where HOME is nowhere
    detached: true,
  })
  const end = ended(child)
  await untilItChanges()
  process.kill(-child.pid!, 'SIGINT') // all that run in the foreground
  await sleep(20)
  process.kill(-child.pid!, 'SIGINT')
  const { status, stderr } = await end
  assert.ok(status === 'SIGINT' || status === 130, `${status} ${stderr}`) // a shell says 130 of both
  assert.match(stderr, /\nbench: interrupted; everything is as it was before\n/)
  assert.deepEqual(stateOf(machine), before)
  assert.equal(existsSync(JOURNALS), false)
})

testInPrivateMounts('a run whose terminal has gone goes on, and puts everything back', async t => {
  if (skip) return t.skip(skip)
  const machine = makeMachine(t)
  const before = stateOf(machine)
  const child = start(machine, ...RUN, '--json')
  const end = ended(child)
  await untilItChanges()
  child.stderr!.destroy()
  const { status, stdout } = await end
  assert.equal(status, 0)
  assert.equal(JSON.parse(stdout).cases.length, 4)
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
