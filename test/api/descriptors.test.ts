import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { descriptors } from '../tools/descriptors.ts'
import { needsRoot, ownNetns } from '../tools/netns.ts'
import { often } from '../tools/this-run.ts'
import { formsHere } from './forms.ts'

const CALLS = often(10_000, 100)
/** Idle sockets are closed within a second. */
const IDLE = 2000

/** What this process has open, once what is idle has been closed. */
async function openDescriptors(): Promise<string[]> {
  await sleep(IDLE)
  return descriptors()
}

/** The calls in turn; those that fail must not leave anything open either. */
async function repeat(count: number, calls: readonly (() => unknown)[]): Promise<void> {
  for (let i = 0; i < count; i++) {
    try {
      await calls[i % calls.length]!()
    } catch {}
  }
}

for (const [form, api] of formsHere) {
  test(`${form}: many calls in the own namespace leave no descriptor open`, async () => {
    const lo = api.device('lo')
    const calls = [
      () => lo.getLink(),
      () => lo.getFeatures(),
      () => lo.getXdpFeatures(),
      () => lo.getVethPeer(),
      () => lo.explainRedirect(),
      () => api.device('none').getLink(),
      () => api.device('lo', { netns: 'none-such' }).getLink(),
      () => api.device('lo', { netns: '/proc/self/status' }).getLink(),
      () => lo.move('none-such'),
    ]
    await repeat(calls.length, calls)
    const before = await openDescriptors()
    await repeat(CALLS, calls)
    assert.deepEqual(await openDescriptors(), before)
  })

  test(`${form}: many calls into other namespaces leave no descriptor open`, {
    skip: needsRoot,
  }, async t => {
    const [here, there] = [ownNetns(t), ownNetns(t)]
    const [a, b] = await api.createVethPair({ name: 'a', netns: here, peer: { name: 'b', netns: there } })
    const taken = { name: 'a', netns: here, peer: { name: 'c', netns: there } }
    const calls = [
      () => a.getVethPeer(),
      () => b.getLink(),
      () => a.explainRedirect(),
      () => b.setFeature('gro', true),
      () => b.setMtu(1),
      () => api.createVethPair(taken),
      () => api.listVethPairs({ netns: here }),
      () => a.getXdp(),
      () => a.attachXdp({ fd: 0 }),
      () => a.attachXdp({ pinned: '/none-such' }),
    ]
    await repeat(calls.length, calls)
    const before = await openDescriptors()
    await repeat(CALLS, calls)
    assert.deepEqual(await openDescriptors(), before)
  })

  test(`${form}: programs, probes and namespaces leave no descriptor open`, { skip: needsRoot }, async t => {
    const [a] = await api.createVethPair({ name: 'a', netns: ownNetns(t), up: true, peer: 'b' })
    const calls = [
      async () => await (await a.attachXdp(api.xdpPass())).detach(),
      async () => await (await a.attachXdp(api.xdpDrop(), { lifetime: 'process' })).detach(),
      async () => await a.attachXdp({ ...api.xdpPass(), code: [] }),
      async () => await a.probeRedirect({ frames: 1 }),
      async () => await a.probeRedirect({ frames: 1, by: 'veth' }),
      async () => await (await api.countRedirects()).close(),
      async () => await (await api.createNetns()).remove(),
    ]
    await repeat(calls.length, calls)
    const before = await openDescriptors()
    await repeat(often(100, 12), calls)
    assert.deepEqual(await openDescriptors(), before)
  })
}
