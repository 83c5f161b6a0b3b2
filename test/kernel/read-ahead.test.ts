import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import * as promises from '../../src/index.ts'
import { shimFile } from '../../src/kernel/shim.ts'
import { createVethPair, device, forEachLink, listLinks, type NetnsHandle } from '../../src/sync.ts'
import { needsRoot, ownNetns } from '../tools/netns.ts'
import { often } from '../tools/this-run.ts'

const root = { skip: needsRoot }

/** With so many links that a dump of them is a megabyte: more than the reader has room for. */
function crowd(t: TestContext): { netns: NetnsHandle; names: string[] } {
  const netns = ownNetns(t)
  for (let i = 0; i < 400; i++) createVethPair({ name: `a${i}`, netns, peer: `b${i}` })
  return { netns, names: listLinks({ netns }).map(({ name }) => name) }
}

const namesOf = (netns: NetnsHandle) => {
  const names: string[] = []
  forEachLink(({ name }) => names.push(name), { netns })
  return names
}

test('a long dump comes whole', root, async t => {
  const { netns, names } = crowd(t)
  const made = Array.from({ length: 400 }, (_, i) => [`a${i}`, `b${i}`]).flat()
  assert.deepEqual([...names].sort(), ['lo', ...made].sort())
  assert.deepEqual(namesOf(netns), names)
  const several = await Promise.all([1, 2, 3].map(() => promises.listLinks({ netns, fields: ['name'] })))
  for (const links of several)
    assert.deepEqual(
      links,
      names.map(name => ({ name })),
    )
})

test('while it comes, its visitor asks other things, and for other dumps', root, t => {
  const { netns, names } = crowd(t)
  const seen: string[] = []
  forEachLink(
    ({ name }) => {
      seen.push(name)
      assert.equal(device(name, { netns }).getLink().name, name)
      if (seen.length % 200 === 0) assert.deepEqual(namesOf(netns), names)
    },
    { netns },
  )
  assert.deepEqual(seen, names)
})

test('one that is given up in the middle is in nobody’s way', root, t => {
  const { netns, names } = crowd(t)
  const giveUp = (after: number) => {
    const visit = () => {
      if (after-- === 0) throw new Error('enough')
    }
    assert.throws(() => forEachLink(visit, { netns }), /enough/)
  }
  giveUp(100)
  const descriptors = readdirSync('/proc/self/fd').length
  for (const after of [0, 30, 60, 90, 200, 400, 799]) {
    giveUp(after)
    assert.equal(device('lo', { netns }).getLink().name, 'lo')
    assert.deepEqual(namesOf(netns), names)
  }
  assert.ok(readdirSync('/proc/self/fd').length <= descriptors + 1, 'descriptors are left')
})

test('one given up on the pool takes nothing from the one that is read then', root, async t => {
  const { netns, names } = crowd(t)
  const rounds = often(60, 12)
  for (let round = 0; round < rounds; round++) {
    const controller = new AbortController()
    const visited: string[] = []
    const given = promises.forEachLink(({ name }) => visited.push(name), { netns, signal: controller.signal })
    const givenUp = assert.rejects(given, /enough/)
    while (visited.length < (720 / rounds) * round) await new Promise(resolve => setImmediate(resolve))
    controller.abort(new Error('enough'))
    assert.deepEqual(namesOf(netns), names, `round ${round}`)
    await givenUp
  }
})

test('a worker thread may end while it is read ahead', root, async t => {
  const { netns, names } = crowd(t)
  // RTM_GETLINK with NLM_F_REQUEST and NLM_F_DUMP, in the kernel's own byte order.
  const source = `
    const { parentPort, workerData } = require('node:worker_threads')
    const shim = require(workerData.file)
    const request = new Uint8Array(32), view = new DataView(request.buffer)
    const little = require('node:os').endianness() === 'LE'
    view.setUint32(0, 32, little)
    view.setUint16(4, 18, little)
    view.setUint16(6, 0x301, little)
    const buffer = new Uint8Array(1 << 19), datagrams = new Uint32Array(96)
    for (let round = 0; ; round++) {
      const handle = shim.openSocket(workerData.netns, 0)
      const first = shim.exchange(handle, request, buffer, datagrams, 1000)
      for (let i = 0; i < round % 4; i++) shim.exchange(handle, null, buffer, datagrams, 0)
      shim.closeSocket(handle)
      if (round === workerData.rounds) parentPort.postMessage(first)
    }`
  const workerData = { file: shimFile(process.arch), netns: netns.fd, rounds: often(20, 4) }
  for (let i = 0; i < often(5, 2); i++) {
    const worker = new Worker(source, { eval: true, workerData })
    const first = await new Promise((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
    assert.ok(Number(first) > 0)
    assert.equal(await worker.terminate(), 1)
  }
  assert.deepEqual(namesOf(netns), names)
})
