import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createVethPair, type Device, device, listLinks } from '../../src/index.ts'
import * as sync from '../../src/sync.ts'
import { needsRoot, ownNetns } from '../tools/netns.ts'

const root = { skip: needsRoot }

/** Moments at which to give up, from at once to long after the end; milliseconds. */
const MOMENTS = Array.from({ length: 60 }, (_, i) => i * 0.05)

/** Aborts after that many milliseconds, 0 at once. */
function abortAfter(milliseconds: number): AbortSignal {
  const controller = new AbortController()
  const start = performance.now()
  const look = () => {
    if (performance.now() - start >= milliseconds) controller.abort(new Error('enough'))
    else setImmediate(look)
  }
  look()
  return controller.signal
}

/** 'done', or 'given up' with the signal's own reason. */
async function outcome(work: Promise<unknown>): Promise<'done' | 'given up'> {
  try {
    await work
    return 'done'
  } catch (error) {
    assert.equal((error as Error).message, 'enough')
    return 'given up'
  }
}

test('a signal that is aborted already fails every call with its reason', async () => {
  const signal = AbortSignal.abort(new Error('enough'))
  const lo = device('lo', { signal })
  const works = [
    lo.getLink(),
    lo.getFeatures(),
    lo.getVethPeer(),
    lo.explainRedirect(),
    listLinks({ signal }),
  ]
  for (const work of works) assert.equal(await outcome(work), 'given up')
})

test('a signal that is aborted in the middle ends the wait, and later calls work', root, async t => {
  const netns = ownNetns(t)
  for (let i = 0; i < 200; i++) sync.createVethPair({ name: `a${i}`, netns, peer: `b${i}` })
  const outcomes = new Set<string>()
  for (const moment of MOMENTS) {
    outcomes.add(await outcome(listLinks({ netns, signal: abortAfter(moment) })))
    assert.equal((await listLinks({ netns })).filter(({ kind }) => kind === 'veth').length, 400)
  }
  assert.ok(outcomes.has('given up'))
})

test('a change that was given up was not made, and one that was sent is awaited', root, async t => {
  const [made] = await createVethPair({ name: 'a', netns: ownNetns(t), peer: 'b' })
  for (const [i, moment] of MOMENTS.entries()) {
    const before = (await made.getLink()).mtu
    const mtu = 1300 + i
    const a: Device = device('a', { netns: made.netns, signal: abortAfter(moment) })
    const expected = (await outcome(a.setMtu(mtu))) === 'done' ? mtu : before
    assert.equal((await made.getLink()).mtu, expected)
    await sleep(1)
    assert.equal((await made.getLink()).mtu, expected)
  }
})

test('a pair is made whole or not at all when it is given up', root, async t => {
  const netns = ownNetns(t)
  for (const moment of MOMENTS) {
    const signal = abortAfter(moment)
    const peer = { name: 'b', up: true }
    const how = await outcome(createVethPair({ name: 'a', netns, up: true, peer, signal }))
    const names = (await listLinks({ netns })).map(({ name }) => name).filter(name => name.length === 1)
    assert.deepEqual(names.sort(), how === 'done' ? ['a', 'b'] : [])
    if (how === 'done') await device('a', { netns }).delete()
  }
})
