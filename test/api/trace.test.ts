import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { BpfAttr } from '../../src/bpf/command.ts'
import * as promises from '../../src/index.ts'
import * as sync from '../../src/sync.ts'
import { SystemError } from '../../src/wire/errors.ts'
import { OWN_NETNS } from '../../src/wire/netns.ts'
import { ask } from '../../src/wire/operation.ts'
import { noKernelBtf } from '../bpf/lab.ts'
import { needsRoot } from '../tools/netns.ts'
import { real } from '../tools/real.ts'
import { EXTENSION, LOADER, often } from '../tools/this-run.ts'
import { testWithTracefs } from '../tools/tracefs.ts'
import { Counted, nextIndex, type Scene, sceneIn, send } from '../veth/traced.ts'
import { forms } from './forms.ts'

const skip = needsRoot || noKernelBtf
const FRAMES = 20

for (const [form, api] of forms) {
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
    const before = openDescriptors()
    for (let i = 0; i < often(20, 2); i++) {
      const trace = await api.traceRedirects({ netns: scene.host, intervalMs: 1 })
      send(scene, 1)
      for await (const { redirects } of trace) {
        assert.equal(redirects[0]?.from?.name, 'nic')
        break
      }
      assert.equal(openDescriptors(), before)
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
  const before = openDescriptors()
  for (let i = 0; i < often(20, 2); i++) {
    const controller = new AbortController()
    const { signal } = controller
    const trace = await promises.traceRedirects({ netns: scene.host, intervalMs: 1e6, signal })
    const ended = assert.rejects(async () => {
      for await (const _ of trace) assert.fail('nothing was sent')
    }, /enough/)
    setImmediate(() => controller.abort(new Error('enough')))
    await ended
    assert.equal(openDescriptors(), before)
  }
  const reason = new Error('too late')
  await assert.rejects(promises.traceRedirects({ signal: AbortSignal.abort(reason) }), reason)
  assert.equal(openDescriptors(), before)
})

test('an abort ends a trace that nobody reads', { skip }, async () => {
  const before = openDescriptors()
  const controller = new AbortController()
  await promises.traceRedirects({ signal: controller.signal })
  assert.notEqual(openDescriptors(), before)
  controller.abort()
  for (let patience = 100; openDescriptors() !== before; patience--) {
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

test('a trace in a worker thread ends with it', { skip }, async () => {
  const before = openDescriptors()
  for (let i = 0; i < often(10, 2); i++) {
    const worker = new Worker(OPEN_AND_STAY, { eval: true, workerData: LIBRARY })
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
    assert.ok(openDescriptors() > before)
    await worker.terminate()
  }
  for (let patience = 200; openDescriptors() > before; patience--) {
    assert.ok(patience > 0, `${openDescriptors()} descriptors, ${before} before`)
    await sleep(10)
  }
})

for (const by of ['raw tracepoints', 'perf events'] as const) {
  const killed = async (t: TestContext) => {
    const child = await tracing(t, by)
    const [programs, links] = [programsOf(child.pid!), linksOf(child.pid!)]
    assert.equal(programs.length, 6, `${programs}`)
    assert.equal(links.length, by === 'perf events' ? 0 : 6)
    child.kill('SIGKILL')
    const left = () => [
      ...programs.filter(id => isThere('program', id)),
      ...links.filter(id => isThere('link', id)),
    ]
    for (let patience = 500; left().length > 0; patience--) {
      assert.ok(patience > 0, `${left()} are left`)
      await sleep(10)
    }
  }
  const name = `of a process that is killed nothing is left: ${by}`
  if (by === 'perf events') testWithTracefs(name, killed)
  else test(name, { skip }, killed)
}

/** A scene whose frames are all refused. */
function failing(t: TestContext, index?: number): Scene {
  const scene = sceneIn(t, index)
  scene.nic.attachXdp(sync.xdpRedirect(scene.T.getLink().index))
  return scene
}

/** Of maps, programs, links and perf events; sockets come and go. */
function openDescriptors(): number {
  let count = 0
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      if (/bpf|perf/.test(readlinkSync(`/proc/self/fd/${fd}`))) count++
    } catch {
      // that of the listing itself
    }
  }
  return count
}

const LIBRARY = {
  library: join(import.meta.dirname, `../../src/sync${EXTENSION}`),
  // register() of tsx, where the library is TypeScript.
  loader: import.meta.resolve(LOADER.length > 0 ? 'tsx/esm/api' : 'node:path'),
}
const OPEN_AND_STAY = `
  const { parentPort, workerData } = require('node:worker_threads')
  import(workerData.loader).then(({ register }) => register?.()).then(() => import(workerData.library)).then(library => {
    const trace = library.traceRedirects()
    parentPort.postMessage('open')
    parentPort.once('message', () => trace.close())
  })`

/** A process that traces until it is killed. */
async function tracing(t: TestContext, by: promises.TraceForm): Promise<ChildProcess> {
  const script = `import(${JSON.stringify(LIBRARY.library)}).then(({ traceRedirects }) => {
    traceRedirects({ by: '${by}' }); console.log('open'); setInterval(() => {}, 1e6) })`
  const child = spawn(process.execPath, [...LOADER, '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  await new Promise((resolve, reject) => {
    child.stdout.once('data', resolve)
    child.once('exit', () => reject(new Error('it ended by itself')))
  })
  return child
}

/** The programs that its links and perf events hold, by id. Source: BPF_TASK_FD_QUERY, kernel/bpf/syscall.c. */
function programsOf(pid: number): number[] {
  const TASK_FD_QUERY = { command: 20, pid: 0, fd: 4, prog_id: 24, size: 48 }
  const found: number[] = []
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    const attr = new BpfAttr(TASK_FD_QUERY.size).u32(TASK_FD_QUERY.pid, pid).u32(TASK_FD_QUERY.fd, Number(fd))
    try {
      callBpf(TASK_FD_QUERY.command, attr)
      found.push(attr.readU32(TASK_FD_QUERY.prog_id))
    } catch (error) {
      if (!(error instanceof SystemError)) throw error // another kind of descriptor
    }
  }
  return found
}

function linksOf(pid: number): number[] {
  const infos = readdirSync(`/proc/${pid}/fdinfo`).map(fd =>
    readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8'),
  )
  return infos.flatMap(info => [...info.matchAll(/^link_id:\s*(\d+)$/gm)].map(([, id]) => Number(id)))
}

/** BPF_PROG_GET_NEXT_ID and BPF_LINK_GET_NEXT_ID, from the id before. */
function isThere(what: 'program' | 'link', id: number): boolean {
  const attr = new BpfAttr(12).u32(0, id - 1)
  try {
    callBpf(what === 'program' ? 11 : 31, attr)
    return attr.readU32(4) === id
  } catch (error) {
    if (error instanceof SystemError && error.code === 'ENOENT') return false
    throw error
  }
}

/** For commands that the library does not use. */
function callBpf(command: number, { bytes }: BpfAttr): void {
  real(ask<'bpf'>({ kind: 'bpf', netns: OWN_NETNS, command, attr: bytes, pointers: [], writes: false }))
}
