import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openPktgen, type Pktgen } from '../../bench/redirect/pktgen.ts'
import { NoPktgenError } from '../../bench/redirect/pktgen-netns.ts'
import type { PktgenOptions } from '../../bench/redirect/pktgen-order.ts'
import { createNetns, createVethPair, type Device, type NetnsHandle, xdpDrop } from '../../src/index.ts'
import { kernelHas } from '../tools/kernel-needs.ts'
import { execIn, needsRoot } from '../tools/netns.ts'
import { EXTENSION, LOADER } from '../tools/this-run.ts'
import { needsPktgen } from './needs-pktgen.ts'

/** Long enough that whatever a frame wakes has run before the next one: no ring is ever full. */
const SLOWLY = { delay: 150_000 }

interface Wire {
  readonly netns: NetnsHandle
  /** What is sent out of it … */
  readonly gen: Device
  /** … arrives here, and is for nobody. */
  readonly nic: Device
}

async function wire(t: TestContext): Promise<Wire> {
  const netns = await createNetns()
  t.after(() => netns.remove())
  const end = { up: true, addrGenMode: 'none', rxQueues: 2, txQueues: 2 } as const
  const [nic, gen] = await createVethPair({ name: 'nic0', netns, ...end, peer: { name: 'gen0', ...end } })
  return { netns, gen, nic }
}

async function opened(t: TestContext, device: Device, options: PktgenOptions = {}): Promise<Pktgen> {
  const pktgen = await openPktgen(device, options)
  t.after(() => pktgen.close())
  return pktgen
}

const order = { frames: 1000, size: 512, cores: [0], destination: Uint8Array.of(2, 0, 0, 0, 0, 1) }

/** The devices on pktgen's threads of the namespace. */
function devicesOn(netns: NetnsHandle): string {
  const files = execIn(netns, 'sh', '-c', 'cat /proc/net/pktgen/kpktgend_*')
  return [...files.matchAll(/^(?:Running|Stopped): (.*?) *$/gm)].flatMap(([, names]) => names || []).join(' ')
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let patience = 200; !isSo(); patience--) {
    assert.ok(patience > 0, `not yet: ${what}`)
    await sleep(50)
  }
}

describe('pktgen', { skip: needsRoot || (await needsPktgen()) }, () => {
  test('sends as many frames as it was told, of that size, to that address', async t => {
    const { gen, nic } = await wire(t)
    const pktgen = await opened(t, gen, SLOWLY)
    const { sent, nanoseconds } = await pktgen.send(order)
    assert.equal(sent, order.frames)
    assert.ok(nanoseconds > 0.9 * order.frames * SLOWLY.delay, `${nanoseconds} ns`)
    const { rxPackets, rxBytes } = (await nic.getLink()).stats!
    assert.deepEqual([rxPackets, rxBytes], [1000n, 512_000n])
  })

  test('shares them among CPUs, and the next order may be for others', async t => {
    const { netns, gen, nic } = await wire(t)
    const pktgen = await opened(t, gen, SLOWLY)
    await pktgen.send({ ...order, frames: 101 })
    assert.equal(devicesOn(netns), 'gen0@0')
    assert.equal((await pktgen.send({ ...order, frames: 101, cores: [0, 1] })).sent, 101)
    assert.equal(devicesOn(netns), 'gen0@0 gen0@1')
    const shares = execIn(netns, 'sh', '-c', 'cat /proc/net/pktgen/gen0@*').match(/(?<=pkts-sofar: )\d+/g)
    assert.deepEqual(shares, ['51', '50'])
    assert.equal((await nic.getLink()).stats!.rxPackets, 202n)
  })

  test('sends for a time, and all is counted', async t => {
    const { gen, nic } = await wire(t)
    const pktgen = await opened(t, gen, SLOWLY)
    const { sent } = await pktgen.send({ ...order, frames: 0, milliseconds: 200 })
    assert.ok(sent > 0)
    assert.equal(Number((await nic.getLink()).stats!.rxPackets), sent)
  })

  test('gives each core flows and a queue of its own', async t => {
    const { netns, gen } = await wire(t)
    const pktgen = await opened(t, gen, { ...SLOWLY, flows: 4 })
    await pktgen.send({ ...order, frames: 8, cores: [0, 1] })
    const text = execIn(netns, 'cat', '/proc/net/pktgen/gen0@1')
    assert.match(text, /queue_map_min: 1 {2}queue_map_max: 1/)
    assert.match(text, /udp_src_min: 49156 {2}udp_src_max: 49160/)
  })

  test('closed while it sends, gives the order up and leaves nothing', async t => {
    const { netns, gen } = await wire(t)
    const pktgen = await opened(t, gen, SLOWLY)
    const sending = assert.rejects(pktgen.send({ ...order, frames: 9e9 }), /closed while it sent/)
    await until('gen0 sends', () => devicesOn(netns) === 'gen0@0')
    await sleep(200)
    await pktgen.close()
    await sending
    assert.equal(devicesOn(netns), '')
  })

  test('leaves nothing where its process is killed', async t => {
    const { netns, gen } = await wire(t)
    const child = await sender(t, netns)
    await until('gen0 sends', () => devicesOn(netns) === 'gen0@0')
    child.kill('SIGKILL')
    await until('it is taken off', () => devicesOn(netns) === '')
    const { txPackets } = (await gen.getLink()).stats!
    await sleep(100)
    assert.equal((await gen.getLink()).stats!.txPackets, txPackets)
  })

  test('leaves alone what somebody else has set up', async t => {
    const { netns, gen } = await wire(t)
    execIn(netns, 'sh', '-c', 'echo add_device gen0 >/proc/net/pktgen/kpktgend_0')
    await assert.rejects(openPktgen(gen), /somebody else's pktgen .* kpktgend_0 has gen0;/)
    assert.match(execIn(netns, 'cat', '/proc/net/pktgen/kpktgend_0'), /Stopped: gen0/)
  })

  test('refuses what a veth cannot do, with the reason', async t => {
    const { gen } = await wire(t)
    for (const options of [{ clones: 10 }, { burst: 4 }]) {
      const pktgen = await opened(t, gen, options)
      await assert.rejects(pktgen.send(order), /pktgen refuses '.*' for gen0@0: the driver wants each frame/)
      await pktgen.close()
    }
  })

  test('refuses CPUs that are not there', async t => {
    const { gen } = await wire(t)
    const pktgen = await opened(t, gen)
    await assert.rejects(pktgen.send({ ...order, cores: [9999] }), /CPU 9999 is not online/)
  })

  test('does not send what could bring the kernel down', async t => {
    const { netns, gen, nic } = await wire(t)
    await nic.attachXdp(xdpDrop(), { mode: 'generic' })
    const pktgen = await opened(t, gen, SLOWLY)
    const sending = pktgen.send({ ...order, frames: 10 })
    if (kernelHas(6, 12)) assert.equal((await sending).sent, 10)
    else await assert.rejects(sending, /must not send out of gen0, a veth: .* would bring the kernel down/)
    assert.equal(devicesOn(netns), 'gen0@0')
  })
})

test('pktgen is not told to send by queues that are not there', { skip: needsRoot }, async t => {
  const { gen } = await wire(t)
  await assert.rejects(
    openPktgen(gen, { queues: [1, 2] }),
    /RangeError: gen0 .* queues 0 to 1: .* send by 2$/,
  )
  // It comes to pktgen itself, whether there is one or not.
  const opened = await openPktgen(gen, { queues: [1, 0] }).catch(error => error)
  if (!(opened instanceof NoPktgenError)) await opened.close()
})

/** A process that sends out of gen0 without end. */
async function sender(t: TestContext, netns: NetnsHandle): Promise<ChildProcess> {
  const from = (path: string) => JSON.stringify(join(import.meta.dirname, `../../${path}${EXTENSION}`))
  const script = `
    const { openPktgen } = await import(${from('bench/redirect/pktgen')})
    const { device } = await import(${from('src/index')})
    const pktgen = await openPktgen(device('gen0'), ${JSON.stringify(SLOWLY)})
    await pktgen.send({ frames: 9e9, size: 512, cores: [0], destination: new Uint8Array(6) })`
  const path = `--net=/proc/${process.pid}/fd/${netns.fd}`
  const node = [process.execPath, ...LOADER, '--input-type=module', '--eval', script]
  const child = spawn('nsenter', [path, ...node], { stdio: ['ignore', 'ignore', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  await once(child, 'spawn')
  return child
}
