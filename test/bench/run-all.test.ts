import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { Case } from '../../bench/redirect/case.ts'
import { buildEmbeddedScene } from '../../bench/redirect/embedded-scene.ts'
import type { Generator } from '../../bench/redirect/generator.ts'
import type { Oracle } from '../../bench/redirect/oracle.ts'
import type { Plan } from '../../bench/redirect/plan.ts'
import { checkResults } from '../../bench/redirect/results.ts'
import { runAll } from '../../bench/redirect/run-all.ts'
import { needsGroNapi, needsLiveFrames } from '../tools/kernel-needs.ts'
import { needsRoot } from '../tools/netns.ts'
import { needsNoKernel } from '../tools/this-run.ts'
import { madeResults, sampleAt } from './made.ts'

const [SMALL, LARGE] = [64, 512].map(
  (size): Case => ({ mode: 'native', peer: 'gro', size, via: 'bpf_redirect', cores: 1 }),
) as [Case, Case]

/** Another program that does everything, and before each time what is given. */
function oracle(
  name: string,
  before: { ceiling?: () => void; redirect?: () => void },
  does = [SMALL, LARGE],
) {
  const all: Oracle = {
    name,
    does: what => does.includes(what),
    sends: ({ size }) => does.some(what => what.size === size),
    async ceiling() {
      before.ceiling?.()
      return sampleAt(1e6, 1)
    },
    async redirect() {
      before.redirect?.()
      return sampleAt(1e6, 1)
    },
  }
  return all
}

/** What the last run said on stderr. */
let said = ''

/** Runs two cases, three times each, by a real generator that fails when it is told to. */
async function run(t: TestContext, plan: Partial<Plan>, fails: (size: number) => boolean = () => false) {
  const scene = await buildEmbeddedScene(1, 'live frames')
  const generator: Generator = {
    ...scene.generator!,
    async send(order) {
      if (fails(order.size)) throw new Error('the cable is out')
      return await scene.generator!.send(order)
    },
  }
  const { signal } = new AbortController()
  const all = { cases: [SMALL, LARGE], repeats: 3, milliseconds: 3, seed: 1, cpus: [0], oracles: [], signal }
  const write = t.mock.method(process.stderr, 'write', () => true)
  try {
    const measured = await runAll({ ...scene, generator }, { ...all, ...plan })
    const { cases, ceilings, references } = checkResults({ ...madeResults(), ...measured }, '')
    const [small, large] = cases
    return { small: small!, large: large!, ceilings, references }
  } finally {
    await scene.restore()
    write.mock.restore()
    said = write.mock.calls.map(({ arguments: [text] }) => `${text}`).join('')
  }
}

/** Throws at the second call and every later one. */
function twice(why: string): () => void {
  let calls = 0
  return () => {
    if (++calls >= 2) throw new Error(why)
  }
}

describe('what fails while it is measured', {
  skip: needsRoot || needsLiveFrames || needsGroNapi || needsNoKernel,
}, () => {
  it('a case: is given up with its runs and its reason, and the others go on', async t => {
    // Out from the second repeat on: then the other case has been run once at least.
    let isOut = false
    let repeats = 0
    const other = oracle('other', { redirect: () => (isOut = ++repeats >= 2) }, [SMALL])
    const { small, large, ceilings, references } = await run(
      t,
      { oracles: [other] },
      size => isOut && size === LARGE.size,
    )
    assert.equal(small.runs.length, 3)
    assert.deepEqual(large.runs, [])
    assert.match(large.notRun!, /^repeat [23] failed: the cable is out$/)
    assert.match(said, /given up: native, GRO at peer, 512 bytes, .*: repeat [23] failed: the cable is out\n/)
    assert.match(said, /given up: the generator alone, 512 bytes, 1 core: the cable is out\n/)
    const kept = ceilings.map(({ by, size, runs }) => [by, size, runs.length])
    assert.deepEqual(kept, [
      ['live frames', 64, 3],
      ['other', 64, 3],
    ])
    assert.deepEqual(
      references.map(({ case: { size }, runs }) => [size, runs.length]),
      [[64, 3]],
    )
  })

  it('another program: is given up there', async t => {
    const oracles = [
      oracle('redirects once', { redirect: twice('I am tired') }, [SMALL]),
      oracle('sends once', { ceiling: twice('I am bored') }, [LARGE]),
    ]
    const { small, large, ceilings, references } = await run(t, { oracles })
    assert.deepEqual([small.runs.length, large.runs.length], [3, 3])
    assert.deepEqual(
      references.map(({ by, runs }) => [by, runs.length]),
      [['sends once', 3]],
    )
    const kept = ceilings.map(({ by, size, runs }) => [by, size, runs.length])
    assert.deepEqual(kept, [
      ['live frames', 64, 3],
      ['redirects once', 64, 3],
      ['live frames', 512, 3],
    ])
    assert.match(said, /given up: redirects once, native, GRO at peer, 64 bytes, .*: I am tired\n/)
    assert.match(said, /given up: sends once, the generator alone, 512 bytes, 1 core: I am bored\n/)
  })

  it('everything: is an error', async t => {
    let isOut = false
    const other = oracle('other', { redirect: () => (isOut = true) })
    await assert.rejects(
      run(t, { oracles: [other] }, () => isOut),
      /^Error: nothing of this can be run: repeat \d failed: the cable is out$/,
    )
    await assert.rejects(
      run(t, {}, () => true),
      /^Error: nothing of this can be run: the cable is out$/,
    )
  })

  it('because it was interrupted: is no failure', async t => {
    for (const at of ['ceiling', 'redirect'] as const) {
      const interrupt = new AbortController()
      const gone = () => {
        interrupt.abort()
        throw new Error('killed by SIGINT')
      }
      const running = run(t, { oracles: [oracle('other', { [at]: gone })], signal: interrupt.signal })
      await assert.rejects(running, error => error === interrupt.signal.reason)
      assert.doesNotMatch(said, /given up/)
    }
  })
})
