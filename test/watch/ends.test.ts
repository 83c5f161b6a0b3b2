import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Worker } from 'node:worker_threads'
import { watchFeatures, watchLinks, watchNetdev } from '../../src/index.ts'
import { getXdpFeatures } from '../../src/netdev/device.ts'
import {
  createNetns,
  createVethPair,
  type Device,
  device,
  listLinks,
  type NetnsHandle,
} from '../../src/sync.ts'
import { WatchedFeatures } from '../../src/watch/features.ts'
import { Watch } from '../../src/watch/watch.ts'
import { netnsFrom, OWN_NETNS } from '../../src/wire/netns.ts'
import type { Operation } from '../../src/wire/operation.ts'
import { kernelLacks } from '../tools/kernel-needs.ts'
import { inNetns, needsRoot, ownNetns, ownNetnsAt } from '../tools/netns.ts'
import { real } from '../tools/real.ts'
import { EXTENSION, LOADER, often } from '../tools/this-run.ts'
import { until } from '../tools/until.ts'

/** Those that this kernel has. */
const WATCHES = kernelLacks(() => real(getXdpFeatures({ netns: OWN_NETNS, device: 1 })))
  ? [watchFeatures, watchLinks]
  : [watchFeatures, watchLinks, watchNetdev]

const TIMES = often(1000, 12)

const descriptors = () => readdirSync('/proc/self/fd').length
const threads = () => readdirSync('/proc/self/task').length

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

/** One of the watches, in turn. */
function watchIn(netns: NetnsHandle, turn: number, signal?: AbortSignal) {
  return WATCHES[turn % WATCHES.length]!({ netns, signal })
}

/** Does something a thousand times, and looks for what that leaves: threads, descriptors, memory. */
async function leavesNothing(work: (i: number) => Promise<void>): Promise<void> {
  for (let i = 0; i < 12; i++) await work(i)
  await sleep(1500) // what is idle has been closed
  const before = [descriptors(), threads()]
  let half = 0
  for (let i = 0; i < TIMES; i++) {
    await work(i)
    if (i !== TIMES >> 1) continue
    collectGarbage()
    half = process.memoryUsage().heapUsed
  }
  await until(() => descriptors() <= before[0]! && threads() <= before[1]!)
  collectGarbage()
  const grown = process.memoryUsage().heapUsed - half
  assert.ok(grown < 1_000_000, `${grown} bytes of the heap stay`)
}

describe('a watch, a thousand times', { skip: needsRoot }, () => {
  test(
    'that is broken out of leaves nothing',
    inNetns(async netns => {
      const lo = device('lo', { netns })
      await leavesNothing(async i => {
        for await (const event of watchIn(netns, i)) {
          assert.equal(event.type, 'added')
          lo.setMtu(1400 + (i % 2)) // with an event on its way
          break
        }
      })
    }),
  )

  test(
    'that is broken out of while it waits leaves nothing, and what waits has ended',
    inNetns(async netns => {
      await leavesNothing(async i => {
        const watch = watchIn(netns, i)
        assert.equal((await watch.next()).done, false)
        const waiting = watch.next()
        if (i % 2 === 0) await new Promise(resolve => setImmediate(resolve))
        assert.deepEqual(await watch.return?.(), { done: true, value: undefined })
        assert.deepEqual(await waiting, { done: true, value: undefined })
        assert.deepEqual(await watch.next(), { done: true, value: undefined })
      })
    }),
  )

  test(
    'that is aborted throws the reason once, whatever it was doing, and leaves nothing',
    inNetns(async netns => {
      await leavesNothing(async i => {
        const controller = new AbortController()
        const watch = watchIn(netns, i, controller.signal)
        const reason = new Error('enough')
        if (i % 4 === 0) controller.abort(reason) // before it has begun
        if (i % 4 > 1) assert.equal((await watch.next()).done, false)
        const waiting = watch.next()
        if (i % 4 === 2) await new Promise(resolve => setImmediate(resolve))
        controller.abort(reason) // while it opens, or waits
        await assert.rejects(waiting, reason)
        assert.deepEqual(await watch.next(), { done: true, value: undefined })
      })
    }),
  )

  test(
    'whose namespace is deleted underneath goes on or ends, and then lets it go',
    inNetns(async near => {
      await leavesNothing(async i => {
        const netns = createNetns()
        createVethPair({ name: `v${i}`, netns: near, peer: { name: 'peer', netns } })
        const watch = watchIn(netns, i)
        assert.equal((await watch.next()).done, false)
        netns.remove()
        if (i % 2 === 0) await Promise.race([watch.next(), sleep(1)]).catch(() => {})
        await watch.return?.()
      })
      // The last namespaces have ended when their pairs have.
      await until(() => listLinks({ netns: near }).length === 1)
    }),
  )
})

describe('a watch', { skip: needsRoot }, () => {
  test('that is never begun opens nothing', async t => {
    const before = [descriptors(), threads()]
    for (const i of [0, 1, 2]) await watchIn(ownNetns(t), i).return?.()
    for (const i of [0, 1, 2]) watchIn(ownNetns(t), i)
    assert.ok(descriptors() <= before[0]! + 6) // the namespaces' own
    assert.equal(threads(), before[1])
  })

  test('of no namespace, or of what is none, is an error once', async () => {
    for (const watch of WATCHES) {
      const nowhere = watch({ netns: 'none-such' })
      await assert.rejects(nowhere.next(), { code: 'ENOENT' })
      assert.deepEqual(await nowhere.next(), { done: true, value: undefined })
      await assert.rejects(watch({ netns: '/proc/self/status' }).next(), { code: 'EINVAL' })
      assert.throws(() => watch({ netns: '' }), TypeError)
      assert.throws(() => watch({ receiveBuffer: 0 }), RangeError)
      assert.throws(() => watch({ signal: 5 as never }), TypeError)
      assert.throws(() => watch({ nets: 'blue' } as never), TypeError)
    }
  })

  test('that is aborted when it has just been told what to subscribe to does not', async t => {
    const [netns, reason] = [ownNetns(t), new Error('enough')]
    const controller = new AbortController()
    let before = 0
    const perform = async <T>(operation: Operation<T>): Promise<T> => {
      const answer = real(operation)
      before = threads()
      controller.abort(reason)
      return answer
    }
    const { signal } = controller
    const watch = new Watch(new WatchedFeatures([netnsFrom(netns)]), perform, { signal })
    await assert.rejects(watch.next(), reason)
    assert.equal(threads(), before)
  })

  test('does not take another namespace for the one that it began with', async t => {
    const first = createNetns()
    const held = openSync(`/proc/self/fd/${first.fd}`, 'r')
    const watch = watchFeatures({ netns: { fd: first.fd! } })
    assert.equal((await watch.next()).done, false)
    first.remove()
    const other = ownNetnsAt(t, first.fd!) // the number stands for another one now
    createVethPair({ name: 'other', netns: other, peer: 'one' })
    createVethPair({ name: 'va', netns: { fd: held }, peer: 'vb' }) // so it has to ask, and finds another way
    await sleep(100)
    closeSync(held)
    const told = []
    for await (const event of watch)
      told.push(event.type !== 'resync' && `${event.type} ${event.device.name}`)
    assert.deepEqual(told.sort(), ['added va', 'added vb', 'removed lo', 'removed va', 'removed vb'])
  })

  test('lets what waits for it at the same time have one event each', async t => {
    const netns = ownNetns(t)
    createVethPair({ name: 'va', netns, peer: 'vb' })
    const watch = watchFeatures({ netns })
    const events = await Promise.all([watch.next(), watch.next(), watch.next()])
    const names = events.map(({ value }) => value && value.type === 'added' && value.device.name)
    assert.deepEqual(names.sort(), ['lo', 'va', 'vb'])
    await watch.return?.()
  })
})

/** A program that watches a namespace given by its number among its descriptors. */
function program(body: string): string {
  const path = join(import.meta.dirname, `../../src/index${EXTENSION}`)
  return execFileSync(
    process.execPath,
    [...LOADER, '--input-type=module', '-e', `import * as library from ${JSON.stringify(path)};${body}`],
    { encoding: 'utf8', timeout: 120_000 },
  )
}

test('a program lives on while it waits for a watch, and only then', () => {
  const live = `
    const watch = library.watchFeatures()
    const first = await watch.next()
    console.log(first.value.type)`
  assert.equal(program(live), 'added\n')
  const waiting = `${live}
    setTimeout(() => { console.log('still here'); watch.return() }, 300).unref()
    for await (const event of watch) {}
    console.log('over')`
  assert.equal(program(waiting), 'added\nstill here\nover\n')
})

test('worker threads with watches are terminated, and leave nothing', { skip: needsRoot }, async t => {
  const netns = ownNetns(t)
  const [a] = createVethPair({ name: 'va', netns, peer: 'vb' })
  const code = `
    const { parentPort, workerData } = require('node:worker_threads')
    import(workerData.loader).then(({ register }) => register?.()).then(() => import(workerData.library)).then(async library => {
      const { netns, watches, count } = workerData
      const begin = i => {
        const name = watches[i % (watches.length + 1)]
        return name === undefined ? library.watchVerdict(library.device('va', { netns })) : library[name]({ netns })
      }
      let begun = 0
      const watch = async i => {
        let first = true
        for await (const event of begin(i)) {
          if (first && ++begun === count) parentPort.postMessage('ready')
          first = false
        }
      }
      for (let i = 0; i < count; i++) watch(i)
    })`
  const path = join(import.meta.dirname, `../../src/index${EXTENSION}`)
  const loader = import.meta.resolve(LOADER.length > 0 ? 'tsx/esm/api' : 'node:path')
  const before = [descriptors(), threads()]
  const count = 50
  for (let done = 0; done < TIMES; done += count) {
    const workerData = {
      library: path,
      loader,
      netns: { fd: netns.fd },
      count,
      watches: WATCHES.map(({ name }) => name),
    }
    const worker = new Worker(code, { eval: true, stderr: true, workerData })
    await new Promise((ready, failed) => worker.once('message', ready).once('error', failed))
    busy(a, 20)
    const end = worker.terminate()
    busy(a, 20)
    assert.equal(await end, 1)
  }
  await until(() => descriptors() <= before[0]! + 1 && threads() <= before[1]! + 1)
})

function busy(a: Device, changes: number): void {
  for (let i = 0; i < changes; i++) a.setMtu(1400 + i)
}
