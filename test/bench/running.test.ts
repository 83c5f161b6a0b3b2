import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { buildEmbeddedScene } from '../../bench/redirect/embedded-scene.ts'
import { whileRunning } from '../../bench/redirect/running.ts'
import { xdpTools } from '../../bench/redirect/xdp-tools.ts'
import { createNetns, createVethPair } from '../../src/index.ts'
import { needsLiveFrames } from '../tools/kernel-needs.ts'
import { needsRoot } from '../tools/netns.ts'

async function anywhere(t: TestContext) {
  const netns = await createNetns()
  t.after(() => netns.remove())
  const [beside] = await createVethPair({ name: 'a', netns, peer: 'b' })
  return beside
}

const UNUSED = () => Promise.reject(new Error('it was at work'))

describe('a program beside ours', { skip: needsRoot }, () => {
  it('that never comes to work is ended, with what it said', async t => {
    const beside = await anywhere(t)
    const idle = { beside, command: 'sh', isAtWork: async () => false }
    const waiting = { ...idle, words: ['-c', 'echo I wait >&2; exec sleep 60'], patience: 500 }
    await assert.rejects(whileRunning(waiting, UNUSED), /^Error: sh is not at work after 0\.5 s: I wait$/)
  })

  it('that does not end when it is asked is killed', { timeout: 60_000 }, async t => {
    const beside = await anywhere(t)
    const deaf = ['-c', 'trap "" INT; for second in $(seq 90); do sleep 1; done']
    const running = { beside, command: 'sh', words: deaf, isAtWork: async () => true, patience: 500 }
    // It has set its trap by then.
    assert.equal(await whileRunning(running, () => sleep(300, 7)), 7)
  })

  it('that ends of itself is told with its words', async t => {
    const beside = await anywhere(t)
    const running = { beside, command: 'sh', words: ['-c', 'echo no >&2'], isAtWork: async () => false }
    await assert.rejects(whileRunning(running, UNUSED), /^Error: no$/)
  })
})

describe('programs of xdp-tools', { skip: needsRoot || needsLiveFrames }, () => {
  for (const [generator, isThere] of [
    ['live frames', true],
    ['AF_PACKET', false],
  ] as const) {
    it(`that generate stand ${isThere ? '' : 'not '}beside ${generator}`, async t => {
      const scene = await buildEmbeddedScene(1, generator)
      t.after(() => scene.restore())
      // Of one that does not run here it says so.
      const write = t.mock.method(process.stderr, 'write', () => true)
      const found = (await xdpTools(scene)).map(({ name }) => name)
      const said = write.mock.calls.map(({ arguments: [text] }) => `${text}`).join('')
      assert.match(`${found.join()} ${said}`, /xdp-bench/)
      assert.equal(/xdp-trafficgen/.test(`${found.join()} ${said}`), isThere)
    })
  }
})
