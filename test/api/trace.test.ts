import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { closeTrace } from '../../src/bpf/trace.ts'
import * as promises from '../../src/index.ts'
import { runSync } from '../../src/kernel/kernel.ts'
import { SyncKernel } from '../../src/kernel/sync-kernel.ts'
import * as sync from '../../src/sync.ts'
import { openRedirectTrace, readRedirectTrace } from '../../src/veth/trace-redirects.ts'
import { SystemError } from '../../src/wire/errors.ts'
import type { Answer, Ask } from '../../src/wire/operation.ts'
import { noKernelBtf } from '../bpf/lab.ts'
import { bpfDescriptors } from '../tools/descriptors.ts'
import { needsRoot } from '../tools/netns.ts'
import { real } from '../tools/real.ts'
import { often } from '../tools/this-run.ts'
import { testWithTracefs } from '../tools/tracefs.ts'
import { Counted, nextIndex, type Scene, sceneIn, send } from '../veth/traced.ts'
import { formsHere } from './forms.ts'

const skip = needsRoot || noKernelBtf
const FRAMES = 20

for (const [form, api] of formsHere) {
  test(`${form}: a trace of one namespace tells of no other, though its devices have the same indexes`, {
    skip,
  }, async t => {
    const index = nextIndex()
    const [ours, others] = [failing(t, index), failing(t, index)]
    const trace = await api.traceRedirects({ netns: ours.host })
    t.after(() => trace.close())
    send(others, FRAMES)
    send(ours, FRAMES)
    const counted = new Counted(ours)
    await counted.readAll(trace)
    assert.deepEqual(
      counted.found.map(({ refused, from, to, cause }) => [
        refused,
        from?.netns?.inode,
        to?.netns?.inode,
        cause?.peer?.netns?.inode,
      ]),
      [[FRAMES, ours.host.inode, ours.host.inode, ours.P.netns.inode]],
    )
  })

  test(`${form}: a trace of all namespaces tells them apart`, { skip }, async t => {
    const index = nextIndex()
    const [one, two] = [failing(t, index), failing(t, index)]
    const trace = await api.traceRedirects({ netns: 'all' })
    t.after(() => trace.close())
    send(one, FRAMES)
    send(two, 2 * FRAMES)
    const refused = new Map<number | null, number>()
    for (let sum = 0; sum < 3 * FRAMES; ) {
      for (const { from, refused: frames } of (await trace.read()).redirects) {
        if (from?.index !== index) continue
        refused.set(from.netnsInode, frames + (refused.get(from.netnsInode) ?? 0))
        sum += frames
      }
    }
    assert.deepEqual(
      refused,
      new Map([
        [one.host.inode, FRAMES],
        [two.host.inode, 2 * FRAMES],
      ]),
    )
  })

  test(`${form}: what is delivered is told when it is asked for`, { skip }, async t => {
    const scene = sceneIn(t)
    scene.P.attachXdp(api.xdpPass())
    scene.nic.attachXdp(api.xdpRedirect(scene.T.getLink().index))
    for (const delivered of [false, true]) {
      const trace = await api.traceRedirects({ delivered })
      send(scene, FRAMES)
      const counted = new Counted(scene)
      await counted.readAll(trace)
      assert.deepEqual(
        counted.found.map(one => [one.tracepoint, one.refused, one.delivered, one.text, one.cause]),
        delivered ? [['xdp:xdp_devmap_xmit', 0, FRAMES, null, null]] : [],
      )
      await trace.close()
    }
  })

  test(`${form}: a loop gets reports, and closes the trace when it is left`, { skip }, async t => {
    const scene = failing(t)
    const before = bpfDescriptors()
    for (let i = 0; i < often(50, 2); i++) {
      const trace = await api.traceRedirects({ netns: scene.host, intervalMs: 1 })
      send(scene, 1)
      for await (const { redirects } of trace) {
        assert.equal(redirects[0]?.from?.name, 'nic')
        break
      }
      assert.equal(bpfDescriptors(), before)
      await assert.rejects(async () => await trace.read(), /the trace is closed/)
    }
  })

  test(`${form}: what cannot be meant is refused`, async () => {
    for (const [options, message] of [
      [{ interval: 5 }, /traceRedirects\(\) has no option 'interval'/],
      [{ intervalMs: 0 }, /intervalMs must be a number of milliseconds from 1 to 86400000, not 0/],
      [{ delivered: 1 }, /delivered must be true or false, not 1/],
      [{ by: 'kprobes' }, /by must be 'raw tracepoints' or 'perf events', not 'kprobes'/],
      [{ by: 'perf events', netns: { pid: process.pid } }, /by 'perf events' no namespace is told/],
    ] as const) {
      await assert.rejects(async () => await api.traceRedirects(options as never), message)
    }
  })
}

test('an abort ends the loop, and the trace', { skip }, async t => {
  const scene = failing(t)
  const before = bpfDescriptors()
  for (let i = 0; i < often(50, 2); i++) {
    const controller = new AbortController()
    const { signal } = controller
    const trace = await promises.traceRedirects({ netns: scene.host, intervalMs: 1e6, signal })
    const ended = assert.rejects(async () => {
      for await (const _ of trace) assert.fail('nothing was sent')
    }, /enough/)
    setImmediate(() => controller.abort(new Error('enough')))
    await ended
    assert.equal(bpfDescriptors(), before)
  }
  const reason = new Error('too late')
  await assert.rejects(promises.traceRedirects({ signal: AbortSignal.abort(reason) }), reason)
  assert.equal(bpfDescriptors(), before)
})

test('an abort ends a trace that nobody reads', { skip }, async () => {
  const before = bpfDescriptors()
  const controller = new AbortController()
  await promises.traceRedirects({ signal: controller.signal })
  assert.notEqual(bpfDescriptors(), before)
  controller.abort()
  for (let patience = 100; bpfDescriptors() !== before; patience--) {
    assert.ok(patience > 0)
    await sleep(10)
  }
})

test('closing it ends the loop that waits, and so does the iterator', { skip }, async t => {
  const { host: netns } = failing(t)
  const byHandle = await promises.traceRedirects({ netns, intervalMs: 1e6 })
  setImmediate(() => byHandle.close())
  for await (const _ of byHandle) assert.fail('nothing was sent')

  const iterator = (await promises.traceRedirects({ netns, intervalMs: 1 }))[Symbol.asyncIterator]()
  const next = iterator.next()
  await sleep(20)
  assert.deepEqual(await iterator.return?.(), { done: true, value: undefined })
  assert.deepEqual(await next, { done: true, value: undefined })
})

test('reads and closes that are asked for at once come one after the other', { skip }, async t => {
  const scene = failing(t)
  const trace = await promises.traceRedirects({ netns: scene.host })
  send(scene, FRAMES)
  const reading = Promise.all([trace.read(), trace.read(), trace.read()])
  await trace.close()
  const refused = (await reading).flatMap(({ redirects }) => redirects.map(one => one.refused))
  assert.deepEqual(refused, [FRAMES])
})

test('a namespace that ends under a trace is told as not found', { skip }, async t => {
  const scene = failing(t)
  const trace = sync.traceRedirects()
  t.after(() => trace.close())
  send(scene, FRAMES)
  const index = scene.nic.getLink().index
  scene.host.remove()
  // The sockets in it are closed within a second.
  await sleep(1500)
  const ours = trace.read().redirects.filter(({ from }) => from?.index === index)
  assert.equal(ours.length, 1)
  assert.equal(ours[0]?.from?.netns, null)
  assert.match(ours[0]?.cause?.unknown ?? '', /no name, no process and no thread/)
})

testWithTracefs(
  'perf events take the only namespace that has such devices, and say where there are several',
  async t => {
    const index = nextIndex()
    const [one, two] = [failing(t, index), failing(t, index)]
    const trace = sync.traceRedirects({ by: 'perf events' })
    t.after(() => trace.close())
    const causeOf = async () => {
      send(one, FRAMES)
      const counted = new Counted(one)
      await counted.readAll(trace)
      assert.deepEqual(
        counted.found.map(({ refused, from, to }) => [refused, from?.netns, to?.name]),
        [[FRAMES, null, null]],
      )
      return counted.found[0]!.cause!
    }
    assert.match((await causeOf()).unknown ?? '', /2 would do, with an XDP program on device \d+/)
    const { id } = two.nic.getXdp().programs[0]!
    two.nic.attachXdp(sync.xdpPass(), { replaces: id }).detach()
    const { assumedNetns, verdict, peer } = await causeOf()
    assert.equal(assumedNetns?.inode, one.host.inode)
    assert.equal(verdict?.delivers, false)
    assert.equal(peer?.name, 'P')
    one.T.delete()
    // Now the kernel finds no such device, and it is right that none is there.
    assert.equal((await causeOf()).verdict?.code, 'EINVAL')
  },
)

test('what was counted is told, also where nothing else can be found out', { skip }, t => {
  const scene = failing(t)
  const { inode } = scene.host
  const trace = real(openRedirectTrace({ netns: scene.host, delivered: false, by: null }))
  t.after(() => real(closeTrace(trace)))
  const kernel = new SyncKernel()
  /** No descriptor is to be had: for a socket, or to look at a namespace. */
  const exhausted = {
    answer(question: Ask): Answer {
      const isBpf = ['bpf', 'memory', 'wait', 'shelter', 'close'].includes(question.kind)
      return isBpf ? kernel.answer(question, {}) : { failed: new SystemError(-24, question.kind) }
    },
  }
  send(scene, FRAMES)
  const told: sync.TracedRedirect[] = []
  const refused = () => told.reduce((sum, redirect) => sum + redirect.refused, 0)
  while (refused() < FRAMES) {
    const { redirects } = runSync(readRedirectTrace(trace), exhausted)
    told.push(...redirects)
  }
  assert.equal(refused(), FRAMES)
  for (const { from, to, cause } of told) {
    assert.deepEqual([from?.netnsInode, from?.netns, to?.netns], [inode, null, null])
    assert.match(cause?.unknown ?? '', /no name, no process and no thread|EMFILE/)
  }
})

/** A scene whose frames are all refused. */
function failing(t: TestContext, index?: number): Scene {
  const scene = sceneIn(t, index)
  scene.nic.attachXdp(sync.xdpRedirect(scene.T.getLink().index))
  return scene
}
