import assert from 'node:assert/strict'
import { existsSync, fstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Entry, JOURNALS } from '../../bench/redirect/journal.ts'
import { testInPrivateMounts } from '../api/again.ts'
import { needsLiveFrames } from '../tools/kernel-needs.ts'
import { EXTENSION, LOADER } from '../tools/this-run.ts'
import { ended, inside, type Machine, makeMachine, RUN, start, stateOf } from './machine-devices.ts'

const FROM = (file: string) => `'${new URL(`../../${file}${EXTENSION}`, import.meta.url)}'`
/** lo is no veth: its peer cannot be asked. */
const LOST: Entry = { end: 'peer', name: 'lo', index: 1, feature: 'gro', was: false }

/** A script in the machine's namespace; what it prints is JSON. */
async function script(machine: Machine, source: string) {
  const node = [process.execPath, ...LOADER, '--input-type=module', '-e', source]
  const { status, stdout, stderr } = await ended(inside(machine, node))
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout)
}

/** A journal as a killed run leaves it there. */
function leave({ netns }: Machine, name: string, entries: readonly Entry[]): string {
  mkdirSync(JOURNALS, { recursive: true })
  const file = join(JOURNALS, name)
  const content = { process: '1', netns: `net:[${fstatSync(netns.fd!).ino}]`, entries }
  writeFileSync(file, JSON.stringify(content))
  return file
}

testInPrivateMounts('a journal that cannot be put back stays, and stops nothing but --restore', async t => {
  const machine = makeMachine(t)
  const before = stateOf(machine)
  const { index } = machine.nic.getLink()
  machine.nic.setFeature('gro', true)
  const nic: Entry = { end: 'device', name: 'nic0', index, feature: 'gro', was: false }
  const file = leave(machine, '2147483646-1.json', [nic, LOST])
  const damaged = join(JOURNALS, '2147483647-1.json')
  writeFileSync(damaged, '')

  const { status, stderr } = await ended(start(machine, '--restore'))
  assert.equal(status, 1, stderr)
  assert.match(stderr, /^put back, of a run that was killed: gro off at nic0: as before$/m)
  assert.match(
    stderr,
    /^not put back, .*: gro off at the peer of lo: .*; \S+\/2147483646-1\.json keeps it .*remove/m,
  )
  assert.match(stderr, /^not put back, .*: \S+\/2147483647-1\.json is no journal \(.*\): .* and remove it$/m)
  assert.deepEqual(stateOf(machine), before)
  assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')).entries, [LOST])

  if (needsLiveFrames) return t.diagnostic(`no run: ${needsLiveFrames}`)
  const run = await ended(start(machine, ...RUN, '--only', 'native,gro', '--repeats', '1', '--json'))
  assert.equal(run.status, 0, run.stderr)
  assert.equal(JSON.parse(run.stdout).cases[0].runs.length, 1)
  assert.match(run.stderr, /^not put back, .*2147483646-1\.json/m)
  assert.match(run.stderr, /^not put back, .*2147483647-1\.json/m)
  assert.deepEqual(readdirSync(JOURNALS).sort(), ['2147483646-1.json', '2147483647-1.json'])
  assert.deepEqual(stateOf(machine), before)
})

testInPrivateMounts('without anything to put back --restore says so', async t => {
  const { status, stderr } = await ended(start(makeMachine(t), '--restore'))
  assert.equal(status, 0)
  assert.equal(stderr, 'there is nothing to put back\n')
})

testInPrivateMounts('what can be put back is, where something else cannot', async t => {
  const machine = makeMachine(t)
  const before = stateOf(machine)
  const { index } = machine.nic.getLink()
  const { name, message, entries } = await script(
    machine,
    `const { Changes } = await import(${FROM('bench/redirect/changes')})
    const { Journal } = await import(${FROM('bench/redirect/journal')})
    const { device } = await import(${FROM('src/index')})
    const journal = new Journal()
    const changes = new Changes(journal)
    await changes.setFeature(device('nic0'), { end: 'device', name: 'nic0', index: ${index} }, 'gro', true)
    await changes.setFeature(device('veth0'), { end: 'peer', name: 'lo', index: 1 }, 'gro', true)
    await changes.restore().catch(({ constructor: { name }, message }) =>
      console.log(JSON.stringify({ name, message, entries: journal.entries })))`,
  )
  assert.equal(name, 'NotPutBackError')
  assert.match(message, /^gro off at the peer of lo: .*\. Later: npm run bench -- --restore$/)
  assert.deepEqual(entries, [LOST])
  const features = ({ gro }: ReturnType<Machine['nic']['getFeatures']>) => gro?.wanted
  assert.deepEqual(
    [features(machine.nic.getFeatures()), features(machine.target.getFeatures())],
    [false, true],
  )
  machine.target.setFeature('gro', false)
  assert.deepEqual(stateOf(machine), before)
  assert.equal(readdirSync(JOURNALS).length, 1)
})

testInPrivateMounts('a generator that fails to end leaves nothing changed', async t => {
  if (needsLiveFrames) return t.skip(needsLiveFrames)
  const machine = makeMachine(t)
  const before = stateOf(machine)
  const [during, failed] = await script(
    machine,
    `const { buildNicScene } = await import(${FROM('bench/redirect/nic-scene')})
    const { closeSync, readdirSync, readlinkSync } = await import('node:fs')
    const options = { generator: 'live frames', force: false, attachesToPeer: true }
    const scene = await buildNicScene({ nic: 'nic0', target: 'veth0', from: 'gen0' }, options)
    await scene.setFeature(scene.peer, 'gro', true)
    const during = (await scene.peer.getFeatures()).gro.wanted
    for (const fd of readdirSync('/proc/self/fd')) {
      let file = ''
      try { file = readlinkSync('/proc/self/fd/' + fd) } catch {}
      if (file.endsWith('bpf-prog')) closeSync(Number(fd)) // its own, under its feet
    }
    await scene.restore().catch(({ code }) => console.log(JSON.stringify([during, code])))`,
  )
  assert.deepEqual([during, failed], [true, 'EBADF'])
  assert.deepEqual(stateOf(machine), before)
  assert.equal(existsSync(JOURNALS), false)
})
