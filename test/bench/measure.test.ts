import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { describe, it } from 'node:test'
import type { Case } from '../../bench/redirect/case.ts'
import { buildEmbeddedScene } from '../../bench/redirect/embedded-scene.ts'
import type { GeneratorName } from '../../bench/redirect/generator.ts'
import { measure, PARTS } from '../../bench/redirect/measure.ts'
import { netnsPath } from '../../bench/redirect/netns-path.ts'
import type { Oracle } from '../../bench/redirect/oracle.ts'
import { prepared, withSink } from '../../bench/redirect/prepared.ts'
import { runAll } from '../../bench/redirect/run-all.ts'
import type { Device } from '../../src/index.ts'
import { needsCommands } from '../tools/commands.ts'
import { needsGroNapi, needsLiveFrames } from '../tools/kernel-needs.ts'
import { needsRoot } from '../tools/netns.ts'
import { often } from '../tools/this-run.ts'

const needsTwoCpus = availableParallelism() < 2 && 'needs two CPUs'
const FRAMES = often(10_000, 500)
const CASE: Case = { mode: 'native', peer: 'gro', size: 64, via: 'bpf_redirect', cores: 1 }

/** What a command prints in the device's namespace. */
function beside({ netns }: Device, ...command: string[]): string {
  return execFileSync('nsenter', [`--net=${netnsPath(netns)}`, ...command], { encoding: 'utf8' })
}

/** What iproute2 reads of the same counter. */
function receivedBy(device: Device): number {
  const json = beside(device, 'ip', '-j', '-s', 'link', 'show', 'dev', device.name!)
  return JSON.parse(json)[0].stats64.rx.packets
}

/** A sample of each of these cases. */
async function sampled(generator: GeneratorName, cases: readonly Case[]) {
  const scene = await buildEmbeddedScene(1, generator)
  try {
    const samples = []
    for (const each of cases) {
      const before = receivedBy(scene.peer)
      const traffic = { frames: FRAMES, size: each.size, cores: [0] }
      const sample = await prepared(scene, each, () => measure(scene, traffic))
      samples.push({ each, sample, counted: receivedBy(scene.peer) - before })
    }
    return samples
  } finally {
    await scene.restore()
  }
}

describe('a sample', { skip: needsRoot || needsCommands('ip') }, () => {
  const peers = ['plain', 'gro', 'pass', 'drop'] as const

  it('by live frames accounts for every frame, as iproute2 counts them', {
    skip: needsLiveFrames || needsGroNapi,
  }, async () => {
    const cases = (['native', 'generic'] as const).flatMap(mode =>
      peers.map((peer): Case => ({ mode, peer, size: 512, via: 'devmap', cores: 1 })),
    )
    for (const { each, sample, counted } of await sampled('live frames', cases)) {
      const { sent, received, delivered, drops } = sample
      const words = JSON.stringify({ each, sample })
      assert.equal(sent, PARTS * FRAMES, words)
      assert.equal(received, sent, words)
      const arrives = each.mode === 'generic' || each.peer !== 'plain'
      assert.equal(delivered, arrives ? sent : 0, words)
      assert.equal(
        drops.reduce((sum, { frames }) => sum + frames, delivered),
        sent,
        words,
      )
      // With the parts that do not count: the warm-up, and those of tries that were not steady.
      const all = counted / ((PARTS + 1) * FRAMES)
      assert.ok(arrives ? [1, 1.75, 2.5].includes(all) : all === 0, `${words}: ip counts ${counted}`)
    }
  })

  it('by AF_PACKET as well', { skip: needsGroNapi }, async () => {
    const generic: Case = { ...CASE, mode: 'generic', peer: 'plain' }
    for (const { sample } of await sampled('AF_PACKET', [CASE, generic])) {
      assert.equal(sample.sent, PARTS * FRAMES)
      assert.equal(sample.delivered, sample.sent, JSON.stringify(sample))
    }
  })

  it('by two CPUs has of each its share, in the queue of its own', {
    skip: needsLiveFrames || needsGroNapi || needsTwoCpus || needsCommands('ethtool'),
  }, async () => {
    const scene = await buildEmbeddedScene(2, 'live frames')
    try {
      const traffic = { frames: FRAMES, size: 64, cores: [0, 1] }
      const { sent, delivered, drops } = await prepared(scene, CASE, () => measure(scene, traffic))
      assert.equal(sent, PARTS * FRAMES)
      assert.ok(delivered > 0)
      assert.equal(
        drops.reduce((sum, { frames }) => sum + frames, delivered),
        sent,
      )
      const queues = beside(scene.nic, 'ethtool', '-S', 'nic0')
      const redirected = [...queues.matchAll(/rx_queue_\d+_xdp_packets: (\d+)/g)]
      assert.equal(redirected.length, 2, queues)
      // A sample has more parts than those that count.
      for (const [, count] of redirected) assert.ok(Number(count) > sent / 4, queues)
    } finally {
      await scene.restore()
    }
  })

  it('of the generator alone counts what the NIC dropped', { skip: needsLiveFrames }, async () => {
    const scene = await buildEmbeddedScene(1, 'live frames')
    const traffic = { frames: FRAMES, size: 64, cores: [0] }
    const { delivered, drops } = await withSink(scene, sink => measure(sink, traffic))
    await scene.restore()
    await scene.restore() // a second time does nothing
    assert.equal(delivered, PARTS * FRAMES)
    assert.deepEqual(drops, [])
  })
})

describe('another program beside ours', {
  skip: needsCommands('ip') || needsLiveFrames || needsGroNapi,
}, () => {
  it('comes second, and every other time first', async () => {
    const scene = await buildEmbeddedScene(1, 'live frames')
    const seen: { redirected: number[]; dropped: number[] } = { redirected: [], dropped: [] }
    const sample = { sent: 1, received: 1, delivered: 1, nanoseconds: 1, kernelNanoseconds: 0, drops: [] }
    const redirected = () => receivedBy(scene.peer)
    const oracle: Oracle = {
      name: 'one that counts what we have done so far',
      does: () => true,
      sends: () => true,
      redirect: async () => {
        seen.redirected.push(redirected())
        return sample
      },
      ceiling: async () => {
        seen.dropped.push(receivedBy(scene.nic) - redirected())
        return sample
      },
    }
    const { signal } = new AbortController()
    const plan = { cases: [CASE], repeats: 4, milliseconds: 3, seed: 1, cpus: [0], oracles: [oracle], signal }
    try {
      const { ceilings, references } = await runAll(scene, plan)
      assert.deepEqual([ceilings[1]?.runs.length, references[0]?.runs.length], [4, 4])
    } finally {
      await scene.restore()
    }
    for (const [what, [first, second, third, fourth]] of Object.entries(seen)) {
      const words = `${what}: ${seen[what as keyof typeof seen].join(' ')}`
      assert.ok(first === second && second! < third! && third === fourth, words)
    }
  })
})
