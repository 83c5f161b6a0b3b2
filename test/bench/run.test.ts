import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { Case } from '../../bench/redirect/case.ts'
import { buildEmbeddedScene } from '../../bench/redirect/embedded-scene.ts'
import type { GeneratorName } from '../../bench/redirect/generator.ts'
import { measure, PARTS } from '../../bench/redirect/measure.ts'
import type { Oracle } from '../../bench/redirect/oracle.ts'
import { prepared, withSink } from '../../bench/redirect/prepared.ts'
import { checkResults } from '../../bench/redirect/results.ts'
import { writeResults } from '../../bench/redirect/results-file.ts'
import { runAll } from '../../bench/redirect/run-all.ts'
import type { Device } from '../../src/index.ts'
import { needsCommands } from '../tools/commands.ts'
import { needsGroNapi, needsLiveFrames } from '../tools/kernel-needs.ts'
import { needsRoot } from '../tools/netns.ts'
import { EXTENSION, LOADER, needsNoKernel, often } from '../tools/this-run.ts'
import { madeResults } from './made.ts'

const main = new URL(`../../bench/redirect/main${EXTENSION}`, import.meta.url).pathname
const FRAMES = often(10_000, 500)
const CASE: Case = { mode: 'native', peer: 'gro', size: 64, via: 'bpf_redirect', cores: 1 }

const ONE = ['--quick', '--only', 'native,gro,64']

function bench(...words: string[]) {
  return spawnSync(process.execPath, [...LOADER, main, ...words], { encoding: 'utf8' })
}

/** What iproute2 reads of the same counter. */
function receivedBy({ netns, name }: Device): number {
  const inside = `--net=${netns.path.replace('/self/', `/${process.pid}/`)}`
  const json = execFileSync('nsenter', [inside, 'ip', '-j', '-s', 'link', 'show', 'dev', name!], {
    encoding: 'utf8',
  })
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

describe('another program beside ours', { skip: needsRoot || needsLiveFrames || needsGroNapi }, () => {
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

describe('npm run bench', { skip: needsRoot || needsLiveFrames || needsGroNapi }, () => {
  it('says of each case what arrived, and why nothing did', () => {
    const { status, stdout, stderr } = bench('--quick', '--json', '--seed', '7')
    assert.equal(status, 0, stderr)
    const results = checkResults(JSON.parse(stdout), '')
    assert.equal(results.generator, 'live frames')
    assert.equal(results.cases.length, 4)
    for (const { case: each, explained, traced, runs } of results.cases) {
      const fails = each.mode === 'native' && each.peer === 'plain'
      assert.equal(runs.length, 2)
      for (const { sent, delivered, drops } of runs) {
        assert.equal(delivered, fails ? 0 : sent, JSON.stringify(each))
        assert.equal(
          drops.reduce((sum, { frames }) => sum + frames, delivered),
          sent,
        )
      }
      assert.equal(explained.reason === null, !fails)
      const code = explained.reason?.code
      if (fails) assert.ok(code && traced!.some(seen => seen.code === code && seen.frames > 0), code ?? '')
    }
  })

  it('says beside its JSON how it compares, and fails where it cannot', { skip: needsNoKernel }, t => {
    const folder = mkdtempSync(join(tmpdir(), 'veth-nl-run-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const before = join(folder, 'results.json')
    const gro = ['--quick', '--only', 'native,gro', '--milliseconds', '10', '--compare', before]
    const made = madeResults({ quick: true })
    writeResults(before, made)
    const compared = bench(...gro, '--json')
    assert.equal(compared.status, 0, compared.stderr)
    assert.equal(checkResults(JSON.parse(compared.stdout), '').cases.length, 1)
    assert.match(compared.stderr, /^now over before\n {2}64 bytes.*native, GRO at peer .* no conclusion/m)
    assert.match(compared.stderr, /^ {2}milliseconds of a run: 180 before, 10 now$/m)
    writeResults(before, { ...made, generator: 'pktgen' })
    const refused = bench(...gro)
    assert.equal(refused.status, 1, refused.stderr)
    assert.match(refused.stderr, /the runs cannot be compared: generator 'pktgen' before, 'live frames' now/)
    assert.match(refused.stdout, /^ {2}native {2}GRO /m)
  })

  it('refuses what it cannot do, before it begins', { skip: needsNoKernel }, () => {
    for (const words of [
      ['--only', 'quick'],
      ['--nic', 'eth1'],
      ['--compare', '/nonexistent.json'],
      ['--generator', 'ping'],
      ['--out', '/dev/null/report', ...ONE],
      // The ports are enough for one core.
      ...(availableParallelism() > 1 ? [['--pktgen', 'flows=16383', ...ONE, '--only', 'cores=2']] : []),
    ]) {
      const { status, stderr } = bench(...words)
      assert.equal(status, 2, words.join(' '))
      assert.match(stderr, /^bench: .*\n\nnpm run bench -- \[options\]/)
    }
    const { status, stderr } = bench('--nic', 'none0', '--target', 'none1', '--traffic', 'external')
    assert.equal(status, 1)
    assert.match(stderr, /ENODEV.*none/)
  })
})
