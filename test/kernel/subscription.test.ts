import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { loadShim, shimFile } from '../../src/kernel/shim.ts'
import { type Groups, openSubscription, type Subscription } from '../../src/kernel/subscription.ts'
import { IFINFOMSG_SIZE, RTM, RTNLGRP } from '../../src/rtnetlink/numbers.ts'
import { createNetns, createVethPair, device, listLinks, type NetnsHandle } from '../../src/sync.ts'
import { SystemError } from '../../src/wire/errors.ts'
import { LITTLE_ENDIAN, NETLINK_ROUTE } from '../../src/wire/netlink.ts'
import { OWN_NETNS } from '../../src/wire/netns.ts'
import { descriptors, openedSince } from '../tools/descriptors.ts'
import { execIn, inNetns, needsRoot, ownNetns } from '../tools/netns.ts'
import { EXTENSION, LOADER, needsTime, often } from '../tools/this-run.ts'
import { until } from '../tools/until.ts'

const EBADF = -9
const EINVAL = -22
/** The kernel's least, some 2 KB: no two messages have room. */
const TINY = 1

const threads = () => readdirSync('/proc/self/task').length

/** One of RTNLGRP_LINK, or that some were lost. */
type Heard = { type: number; index: number; mtu: number; nsid: number | null } | 'lost'

/** Reads whatever comes into a list, and is busy with each part for so many milliseconds. */
function listen(netns: Groups['netns'], more: Partial<Groups> = {}, busy = 0) {
  const heard: Heard[] = []
  const what = { netns, protocol: NETLINK_ROUTE, groups: [RTNLGRP.LINK], ...more }
  const subscription: Subscription = openSubscription(what, () => {
    subscription.read({
      message(view, at, end, type, nsid) {
        heard.push({ type, index: view.getInt32(at + 4, LITTLE_ENDIAN), mtu: mtuIn(view, at, end), nsid })
      },
      lost: () => heard.push('lost'),
    })
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, busy)
  })
  return { subscription, heard }
}

const IFLA_MTU = 4

function mtuIn(view: DataView, at: number, end: number): number {
  for (let next = at + IFINFOMSG_SIZE; next + 4 <= end; ) {
    if (view.getUint16(next + 2, LITTLE_ENDIAN) === IFLA_MTU) return view.getUint32(next + 4, LITTLE_ENDIAN)
    next += (view.getUint16(next, LITTLE_ENDIAN) + 3) & ~3
  }
  return 0
}

/** Changes lo's MTU again and again, and leaves it at `last`. */
function change(netns: NetnsHandle, times: number, last: number): void {
  const lo = device('lo', { netns })
  for (let i = 1; i < times; i++) lo.setMtu(1000 + (i % 2))
  lo.setMtu(last)
}

/** The same by another process while this one waits, and needs no memory for it. */
function changeElsewhere(netns: NetnsHandle, times: number, last: number): void {
  const script = `
    const { device } = await import(${JSON.stringify(join(import.meta.dirname, `../../src/sync${EXTENSION}`))})
    const lo = device('lo')
    for (let i = 1; i < ${times}; i++) lo.setMtu(1000 + (i % 2))
    lo.setMtu(${last})`
  execIn(netns, process.execPath, ...LOADER, '--input-type=module', '--eval', script)
}

/** A loss may be the last of a part, and other parts yet to be fetched. */
async function untilAllIsHeard(heard: readonly Heard[]): Promise<void> {
  for (let before = -1; before !== heard.length; await sleep(50)) before = heard.length
}

/** Where a processor is emulated, the thread may have found room for the very last messages behind the last loss. */
function endsWithLoss(heard: readonly Heard[]): boolean {
  const mayGoOn = needsTime !== false && heard.includes('lost')
  return heard.at(-1) === 'lost' || (mayGoOn && isTold(heard, 1500))
}

/** Whether what was heard last is that MTU. */
function isTold(heard: readonly Heard[], mtu: number): boolean {
  const last = heard.at(-1)
  return typeof last === 'object' && last.mtu === mtu
}

describe('a subscription', { skip: needsRoot }, () => {
  test(
    'hears what happens after it was opened, in order',
    inNetns(async netns => {
      const { subscription, heard } = listen(netns)
      const lo = device('lo', { netns })
      for (let mtu = 1300; mtu < 1500; mtu++) lo.setMtu(mtu)
      await until(() => heard.length === 200)
      assert.deepEqual(
        heard,
        Array.from({ length: 200 }, (_, i) => ({ type: RTM.NEWLINK, index: 1, mtu: 1300 + i, nsid: null })),
      )
      subscription.close()
      lo.setMtu(2000)
      await sleep(20)
      assert.equal(heard.length, 200)
    }),
  )

  test(
    'says where something was lost, behind all that came before, and hears what comes after',
    inNetns(async netns => {
      const { subscription, heard } = listen(netns, { receiveBuffer: TINY })
      let losses = 0
      const changes = often(12_000, 2500)
      for (let round = 0; round < often(10, 3); round++) {
        heard.length = 0
        change(netns, changes, 1500) // the thread's own memory is full then, and so is the kernel's queue
        await untilAllIsHeard(heard)
        assert.ok(endsWithLoss(heard), JSON.stringify(heard.at(-1)))
        assert.ok(heard.length > 100 && heard.length < changes, String(heard.length))
        // So a list that is asked for now, and what is heard from now on, miss nothing.
        assert.equal(device('lo', { netns }).getLink().mtu, 1500)
        device('lo', { netns }).setMtu(1501)
        await until(() => isTold(heard, 1501))
        assert.deepEqual(heard.at(-1), { type: RTM.NEWLINK, index: 1, mtu: 1501, nsid: null })
        losses += heard.filter(one => one === 'lost').length
        assert.equal(subscription.losses, losses)
      }
      subscription.close()
    }),
  )

  test(
    'throws away what else was queued before a loss and does not fit, so that the loss is told soon',
    { skip: needsTime },
    inNetns(async netns => {
      const { subscription, heard } = listen(netns, { receiveBuffer: 1024 * 1024 }, 20) // slower than the thread
      change(netns, 5000, 1500)
      await until(() => heard.at(-1) === 'lost')
      // The thread's own memory, and the part of it that became free: 1200. With what the kernel's queue had they are 2000.
      assert.ok(heard.length < 1500, String(heard.length))
      subscription.close()
    }),
  )

  test(
    'takes no more memory than it has, however much comes',
    inNetns(async netns => {
      const { subscription, heard } = listen(netns, { receiveBuffer: 64 * 1024 })
      device('lo', { netns }).setMtu(1400)
      await until(() => heard.length === 1)
      const before = process.memoryUsage().rss
      changeElsewhere(netns, often(20_000, 2000), 1500)
      const grown = process.memoryUsage().rss - before
      assert.ok(grown < 4 * 1024 * 1024, `${grown} bytes`)
      await until(() => endsWithLoss(heard))
      subscription.close()
    }),
  )

  test(
    'hears other namespaces by one socket, and says which',
    inNetns(async (own, t) => {
      const [near, far, unknown] = [ownNetns(t), ownNetns(t), ownNetns(t)]
      // A pair across namespaces gives each an id in the other.
      const ids = [near, far].map((netns, i) => {
        const [a] = createVethPair({ name: `v${i}`, netns: own, peer: { name: 'peer', netns } })
        return a.getLink().linkNetnsId
      })
      assert.equal(new Set(ids).size, 2)
      const { subscription, heard } = listen(own, { allNsid: true })
      for (const [i, netns] of [own, unknown, near, far].entries()) device('lo', { netns }).setMtu(1400 + i)
      await until(() => heard.length === 3)
      assert.deepEqual(heard, [
        { type: RTM.NEWLINK, index: 1, mtu: 1400, nsid: null },
        { type: RTM.NEWLINK, index: 1, mtu: 1402, nsid: ids[0] },
        { type: RTM.NEWLINK, index: 1, mtu: 1403, nsid: ids[1] },
      ])
      subscription.close()
    }),
  )

  test('to a group that there is not, or without a namespace, is an error', () => {
    const before = descriptors()
    const wrong = { netns: OWN_NETNS, protocol: NETLINK_ROUTE, groups: [RTNLGRP.LINK, 100_000] }
    assert.throws(() => openSubscription(wrong, () => {}), { code: 'EINVAL' })
    const nowhere = { ...wrong, netns: { path: '/none-such', inode: null } }
    assert.throws(() => openSubscription(nowhere, () => {}), SystemError)
    assert.deepEqual(openedSince(before), [])
  })

  test('that is closed twice, or read afterwards, does nothing', async () => {
    const { subscription, heard } = listen(OWN_NETNS)
    subscription.close()
    subscription.close()
    subscription.keepAlive(true)
    subscription.read({ message: () => assert.fail(), lost: () => assert.fail() })
    assert.deepEqual(heard, [])
  })

  test(
    'may be closed by what it calls, with more in hand',
    inNetns(async netns => {
      let count = 0
      const what = { netns, protocol: NETLINK_ROUTE, groups: [RTNLGRP.LINK] }
      const subscription: Subscription = openSubscription(what, () => {
        subscription.read({
          message() {
            if (++count === 3) subscription.close()
          },
          lost: () => assert.fail(),
        })
      })
      change(netns, 50, 1500)
      await until(() => count === 3)
      await sleep(20)
      assert.equal(count, 3)
    }),
  )

  test(
    'opened and closed many times, events on their way, leaves nothing',
    inNetns(async netns => {
      const { subscription, heard } = listen(netns)
      change(netns, 10, 1500)
      await until(() => heard.length === 10)
      const before = [descriptors().length, threads()]
      const rounds = often(1000, 50)
      let rss = 0
      for (let i = 0; i < rounds; i++) {
        const other = listen(netns)
        device('lo', { netns }).setMtu(1400 + (i % 2))
        if (i % 3 === 0) await new Promise(resolve => setImmediate(resolve))
        other.subscription.close()
        if (i === rounds >> 1) rss = process.memoryUsage().rss
      }
      // Emulated it lasts so long that threads of the shim's and of libuv's own begin meanwhile.
      assert.ok(threads() - before[1]! <= often(0, 2), `${threads()}`)
      assert.ok(descriptors().length <= before[0]!) // idle sockets are closed meanwhile
      assert.ok(process.memoryUsage().rss - rss < 32 * 1024 * 1024)
      subscription.close()
    }),
  )

  test(
    'keeps its namespace, and lets it go when it is closed',
    inNetns(async near => {
      const far = createNetns()
      const { subscription } = listen(far)
      const [end] = createVethPair({ name: 'va', netns: near, peer: { name: 'vb', netns: far } })
      far.remove()
      await sleep(1000) // longer than any idle socket is kept
      assert.equal(end.getLink().name, 'va')
      subscription.close()
      await until(() => listLinks({ netns: near }).length === 1) // the pair has gone with its other end
    }),
  )
})

describe('a program with a subscription', () => {
  const prelude = `
    const shim = require(${JSON.stringify(shimFile(process.arch))})
    const subscribe = news => shim.subscribe(-1, 0, new Uint32Array([1]), 65536, 0, news)
    const handle = subscribe(() => {});`
  const run = (code: string) => {
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, ['-e', prelude + code], {
      encoding: 'utf8',
      timeout: 60_000,
    })
    return { status, signal, stdout, stderr }
  }

  test('ends by itself, unless it waits for it', () => {
    assert.deepEqual(run('console.log(handle)'), { status: 0, signal: null, stdout: '1\n', stderr: '' })
    const waits = `shim.keepAlive(handle, 1); setTimeout(() => { console.log('waited'); shim.keepAlive(handle, 0) }, 50).unref()`
    assert.deepEqual(run(waits), { status: 0, signal: null, stdout: 'waited\n', stderr: '' })
    const closed = 'shim.keepAlive(handle, 1); setTimeout(() => shim.unsubscribe(handle), 20).unref()'
    assert.deepEqual(run(closed), { status: 0, signal: null, stdout: '', stderr: '' })
  })

  test('ends by process.exit(), and by an error that its listener throws', () => {
    const many = 'for (let i = 0; i < 100; i++) subscribe(() => {}); shim.keepAlive(handle, 1);'
    assert.deepEqual(run(`${many} setTimeout(() => process.exit(3), 10)`), {
      status: 3,
      signal: null,
      stdout: '',
      stderr: '',
    })
    const { status, stderr } = run(`${many} setImmediate(() => { throw new Error('on purpose') })`)
    assert.equal(status, 1)
    assert.match(stderr, /on purpose/)
  })
})

test('worker threads are terminated, subscriptions open and events on their way', {
  skip: needsRoot,
}, async t => {
  const netns = ownNetns(t)
  const code = `
    const { parentPort, workerData } = require('node:worker_threads')
    const shim = require(workerData.file), buffer = new Uint8Array(256 * 1024)
    for (let i = 0; i < 8; i++) {
      const handle = shim.subscribe(workerData.netns, 0, new Uint32Array([1]), i < 4 ? 1 : 65536, 0, () => {
        if (i % 2 === 0) shim.fetch(handle, buffer)
      })
      if (i > 0) shim.keepAlive(handle, 1)
    }
    parentPort.postMessage('ready')`
  const lo = device('lo', { netns })
  lo.setMtu(1400) // its socket, and the thread that closes idle ones, are there now
  const before = [descriptors().length, threads()]
  let changes = 0
  for (let round = 0; round < often(63, 3); round++) {
    // With eight subscriptions each: a thousand of them.
    const workers = [0, 1].map(
      () => new Worker(code, { eval: true, workerData: { file: shimFile(process.arch), netns: netns.fd } }),
    )
    await Promise.all(workers.map(worker => new Promise(ready => worker.once('message', ready))))
    for (let i = 0; i < 3; i++) lo.setMtu(1400 + (++changes % 100))
    const ends = workers.map(worker => worker.terminate())
    lo.setMtu(1400 + (++changes % 100))
    assert.deepEqual(await Promise.all(ends), [1, 1])
  }
  assert.equal(threads(), before[1])
  assert.ok(descriptors().length <= before[0]!)
})

test('wrong arguments are EINVAL, a handle that has ended is EBADF', () => {
  const shim = loadShim()
  const { subscribe, fetch, keepAlive, unsubscribe } = shim as unknown as Record<
    string,
    (...args: unknown[]) => number
  >
  const groups = new Uint32Array([1])
  const news = () => {}
  const calls = [
    subscribe!(),
    subscribe!(-1, 0, [1], 4096, 0, news),
    subscribe!(-1, 0, groups, 0, 0, news),
    subscribe!(-1, 0, groups, 4096, 0),
    subscribe!(-1, 0, groups, 4096, 0, 5),
    subscribe!(-1, 0, groups, 4096, 0, news, news),
    fetch!(1),
    fetch!(1, new Uint8Array(1 << 18), news),
    keepAlive!(1),
    unsubscribe!('x'),
    unsubscribe!(1, news),
  ]
  assert.deepEqual(
    calls,
    calls.map(() => EINVAL),
  )
  const handle = shim.subscribe(-1, NETLINK_ROUTE, groups, 4096, 0, news)
  assert.equal(shim.fetch(handle, new Uint8Array(1000)), EINVAL)
  assert.equal(shim.unsubscribe(handle), 0)
  const ended = [
    shim.fetch(handle, new Uint8Array(1 << 18)),
    shim.keepAlive(handle, 1),
    shim.unsubscribe(handle),
  ]
  assert.deepEqual(ended, [EBADF, EBADF, EBADF])
})
