import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { idOf } from '../../bench/redirect/matrix.ts'
import { checkResults } from '../../bench/redirect/results.ts'
import { writeResults } from '../../bench/redirect/results-file.ts'
import { kernelHas, needsGroNapi, needsLiveFrames } from '../tools/kernel-needs.ts'
import { needsRoot } from '../tools/netns.ts'
import { EXTENSION, LOADER, needsNoKernel } from '../tools/this-run.ts'
import { madeResults } from './made.ts'
import { needsPktgen } from './needs-pktgen.ts'

const main = new URL(`../../bench/redirect/main${EXTENSION}`, import.meta.url).pathname
const needsTwoCpus = availableParallelism() < 2 && 'needs two CPUs'

const ONE = ['--quick', '--only', 'native,gro,64']

function bench(...words: string[]) {
  return spawnSync(process.execPath, [...LOADER, main, ...words], { encoding: 'utf8' })
}

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

  it('sends by as many CPUs as are asked for', { skip: needsTwoCpus }, () => {
    const { status, stdout, stderr } = bench('--quick', '--json', '--only', 'native,plain,gro,cores=2')
    assert.equal(status, 0, stderr)
    const { cases, ceilings, settings } = checkResults(JSON.parse(stdout), '')
    assert.ok(settings.cpus.length >= 2)
    assert.deepEqual(
      cases.map(one => idOf(one.case)),
      ['native/plain/64/bpf_redirect/2', 'native/gro/64/bpf_redirect/2'],
    )
    const [{ by, size, cores } = assert.fail()] = ceilings
    assert.deepEqual([by, size, cores], ['live frames', 64, 2])
    for (const { case: each, runs } of cases) {
      for (const { sent, delivered, drops } of runs) {
        assert.equal(delivered > 0, each.peer === 'gro', `${delivered} of ${sent}`)
        assert.equal(
          drops.reduce((sum, { frames }) => sum + frames, delivered),
          sent,
        )
      }
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

const NOT_GIVEN = { flows: null, delay: null, queues: null, clones: null, burst: null }

describe('npm run bench --generator pktgen', {
  skip: needsRoot || needsGroNapi || (await needsPktgen()),
}, () => {
  it('says of each case what arrived of what the NIC received, and why nothing did', () => {
    // Before 6.12 what pktgen sends out of a veth must not meet a generic program.
    const modes = kernelHas(6, 12) ? ['native', 'generic'] : ['native']
    const { status, stdout, stderr } = bench(
      ...['--quick', '--json', '--generator', 'pktgen', '--only', modes.join()],
    )
    assert.equal(status, 0, stderr)
    const { generator, settings, ceilings, cases } = checkResults(JSON.parse(stdout), '')
    assert.deepEqual([generator, settings.from, settings.pktgen], ['pktgen', 'gen0', NOT_GIVEN])
    assert.ok(ceilings[0]?.by === 'pktgen' && ceilings[0].runs.every(({ delivered }) => delivered > 0))
    assert.deepEqual(
      cases.map(({ case: { mode, peer } }) => `${mode} ${peer}`),
      modes.flatMap(mode => [`${mode} plain`, `${mode} gro`]),
    )
    for (const { case: each, notRun, explained, traced, runs } of cases) {
      const words = JSON.stringify({ each, notRun, explained, traced, runs })
      const fails = each.mode === 'native' && each.peer === 'plain'
      const code = explained.reason?.code
      assert.equal(notRun, null)
      assert.equal(code !== undefined, fails, words)
      assert.equal(
        traced!.some(seen => seen.code !== null && seen.code === code && seen.frames > 0),
        fails,
        words,
      )
      for (const { sent, received, delivered } of runs) {
        assert.ok(received > sent / 2, words)
        assert.equal(delivered, fails ? 0 : received, words)
      }
    }
  })
})
