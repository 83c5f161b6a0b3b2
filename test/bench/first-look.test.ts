import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { describe, it } from 'node:test'
import type { Case } from '../../bench/redirect/case.ts'
import { buildEmbeddedScene } from '../../bench/redirect/embedded-scene.ts'
import { lookFirst } from '../../bench/redirect/first-look.ts'
import { openLiveFrames } from '../../bench/redirect/live-frames.ts'
import { addressOf } from '../../bench/redirect/measure.ts'
import { prepared } from '../../bench/redirect/prepared.ts'
import type { Traced } from '../../bench/redirect/results.ts'
import type { Scene } from '../../bench/redirect/scene.ts'
import { tracedWhile } from '../../bench/redirect/traced.ts'
import { createVethPair, device, xdpRedirect } from '../../src/index.ts'
import { PRIVATE, testAgain } from '../api/again.ts'
import { needsCommands } from '../tools/commands.ts'
import { needsGroNapi, needsLiveFrames } from '../tools/kernel-needs.ts'
import { needsRoot } from '../tools/netns.ts'
import { needsTracefs } from '../tools/tracefs.ts'

const GRO: Case = { mode: 'native', peer: 'gro', size: 64, via: 'bpf_redirect', cores: 1 }
const TRAFFIC = { frames: 100, size: 64, cores: [0] }

/** Of an own NIC that redirects into GRO nothing but that is to be seen. */
function assertAllTaken(traced: readonly Traced[] | null): void {
  const [taken, ...others] = traced!
  assert.deepEqual(others, [])
  assert.equal(taken?.code, null)
  assert.ok(taken.frames > 0)
}

/** Sends into a redirect that fails, again and again while something is done. */
async function whileOthersFail<T>({ generator, nic }: Scene, use: () => Promise<T>): Promise<T> {
  const order = { ...TRAFFIC, destination: await addressOf(nic) }
  await generator!.send(order) // its thread is there from now on
  let isOver = false
  const failing = (async () => {
    while (!isOver) await generator!.send(order)
  })()
  try {
    return await use()
  } finally {
    isOver = true
    await failing
  }
}

describe('the first look at a case', { skip: needsRoot || needsGroNapi }, () => {
  it('counts what its own NIC redirects, and not what others do meanwhile', async () => {
    const scene = await buildEmbeddedScene(1, 'AF_PACKET')
    const other = await buildEmbeddedScene(1, 'AF_PACKET')
    try {
      // Only their namespaces tell them apart.
      assert.equal((await scene.nic.getLink()).index, (await other.nic.getLink()).index)
      const look = () => prepared(scene, GRO, () => lookFirst(scene, TRAFFIC, GRO))
      const { traced } = await prepared(other, { ...GRO, peer: 'plain' }, () => whileOthersFail(other, look))
      assertAllTaken(traced)
    } finally {
      await scene.restore()
      await other.restore()
    }
  })
})

/** As no other device of the machine has: perf events tell no namespace. */
const INDEX = 31_337

testAgain(
  'a trace by perf events has not the live frames that were sent; without tracefs there is none',
  needsTracefs || needsLiveFrames || needsCommands('ip'),
  () => PRIVATE,
  async () => {
    const mount = (type: string, folder: string) => execFileSync('mount', ['-t', type, 'none', folder])
    for (const folder of ['/sys/kernel/debug', '/sys/kernel/tracing']) mount('tmpfs', folder)
    execFileSync('ip', ['link', 'add', 'nic0', 'index', `${INDEX}`, 'type', 'veth', 'peer', 'name', 'gen0'])
    for (const name of ['nic0', 'gen0']) await device(name).up()
    const [nic, gen] = [device('nic0'), device('gen0')]
    const [target, peer] = await createVethPair({ name: 'veth0', up: true, peer: { name: 'eth0', up: true } })
    for (const end of [nic, peer]) await end.setFeature('gro', true)
    await nic.attachXdp(xdpRedirect((await target.getLink()).index), { mode: 'native', lifetime: 'process' })
    const generator = await openLiveFrames(gen)
    const order = { ...TRAFFIC, destination: await addressOf(nic) }
    const traced = () => tracedWhile(nic, () => generator.send(order), { by: 'perf events' })
    try {
      assert.equal(await traced(), null)
      mount('tracefs', '/sys/kernel/tracing')
      assertAllTaken(await traced())
    } finally {
      await generator.close()
    }
  },
)
