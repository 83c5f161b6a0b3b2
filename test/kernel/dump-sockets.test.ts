import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { familyId } from '../../src/genetlink/controller.ts'
import { compileCommand, loadShim, type Shim, shimFile } from '../../src/kernel/shim.ts'
import { NETDEV, NETDEV_CMD } from '../../src/netdev/message.ts'
import { createVethPair, forEachLink, type NetnsHandle } from '../../src/sync.ts'
import { LITTLE_ENDIAN, NETLINK_GENERIC, NETLINK_ROUTE, NLM_F, NLMSG } from '../../src/wire/netlink.ts'
import { compiled, needsCompiler } from '../tools/compiler.ts'
import { descriptors, openedSince } from '../tools/descriptors.ts'
import { kernelLacks } from '../tools/kernel-needs.ts'
import { needsRoot, ownNetns } from '../tools/netns.ts'
import { real } from '../tools/real.ts'
import { until } from '../tools/until.ts'

const root = { skip: needsRoot }
const EBADF = -9
const RTM_GETLINK = 18

/** Longer than a socket may be idle. */
const block = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1200)

/** So many links that the kernel tells of them in several datagrams. */
function crowd(t: TestContext, pairs: number): NetnsHandle {
  const netns = ownNetns(t)
  for (let i = 0; i < pairs; i++) createVethPair({ name: `a${i}`, netns, peer: `b${i}` })
  return netns
}

/** A request for a dump: struct nlmsghdr, and a header of the protocol's own. */
function dumpRequest(type: number, header: Uint8Array): Uint8Array {
  const request = new Uint8Array(16 + header.length)
  const view = new DataView(request.buffer)
  view.setUint32(0, request.length, LITTLE_ENDIAN)
  view.setUint16(4, type, LITTLE_ENDIAN)
  view.setUint16(6, NLM_F.REQUEST | NLM_F.DUMP, LITTLE_ENDIAN)
  view.setUint32(8, 7, LITTLE_ENDIAN)
  request.set(header, 16)
  return request
}
const LINKS = dumpRequest(RTM_GETLINK, new Uint8Array(16))

/** Where datagrams are received. */
class Room {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly datagrams: Uint32Array

  constructor(size: number, most: number) {
    this.bytes = new Uint8Array(size)
    this.view = new DataView(this.bytes.buffer)
    this.datagrams = new Uint32Array(2 * most)
  }

  /** The types of the messages of so many datagrams. */
  types(count: number): number[] {
    const types: number[] = []
    for (let i = 0; i < 2 * count; i += 2) {
      const end = this.datagrams[i]! + this.datagrams[i + 1]!
      for (let at = this.datagrams[i]!; at < end; at += (this.view.getUint32(at, LITTLE_ENDIAN) + 3) & ~3)
        types.push(this.view.getUint16(at + 4, LITTLE_ENDIAN))
    }
    return types
  }
}
const one = new Room(32768, 1)
/** As much as reading ahead wants. */
const many = new Room(1 << 19, 32)

/** Takes the first part of a dump, and leaves the rest to come. */
function begin(
  shim: Shim,
  netns: NetnsHandle,
  protocol = NETLINK_ROUTE,
  request = LINKS,
  room = one,
): number {
  const handle = shim.openSocket(netns.fd!, protocol)
  assert.ok(handle > 0, `openSocket: ${handle}`)
  const count = shim.exchange(handle, request, room.bytes, room.datagrams, 1000)
  assert.ok(count > 0, `exchange: ${count}`)
  assert.ok(!room.types(count).includes(NLMSG.DONE))
  return handle
}

/** Takes the rest. */
function finish(shim: Shim, handle: number, room = one): void {
  for (;;) {
    const count = shim.exchange(handle, null, room.bytes, room.datagrams, 1000)
    assert.ok(count > 0, `exchange: ${count}`)
    if (room.types(count).includes(NLMSG.DONE)) return
  }
}

const receive = (shim: Shim, handle: number) => shim.exchange(handle, null, one.bytes, one.datagrams, 0)

const socketsSince = (before: readonly string[]) =>
  openedSince(before).filter(open => open.includes(' socket:'))

/** Whether the socket that `use` leaves is closed for being idle; one in the middle of a dump is not in that time. */
async function becomesIdle(shim: Shim, netns: NetnsHandle, use: () => number): Promise<void> {
  const before = descriptors()
  const dump = begin(shim, netns)
  const handle = use()
  await until(() => socketsSince(before).length === 1)
  assert.equal(receive(shim, handle), EBADF)
  finish(shim, dump)
  shim.closeSocket(dump)
}

test('of two dumps at a time either waits for its visitor', root, t => {
  const netns = crowd(t, 400)
  const seen = { outer: 0, inner: 0 }
  const inner = () => {
    if (++seen.inner === 100) block()
  }
  const outer = () => {
    if (++seen.outer === 100) forEachLink(inner, { netns })
    if (seen.outer === 200) block()
  }
  forEachLink(outer, { netns })
  assert.deepEqual(seen, { outer: 801, inner: 801 })
})

test('a socket is not idle before its dump is at its end, and then is', root, async t => {
  const shim = loadShim()
  const netns = crowd(t, 40)
  await becomesIdle(shim, netns, () => {
    const handle = begin(shim, netns)
    block()
    finish(shim, handle)
    return handle
  })
})

test('so it is where the dump was read ahead', root, async t => {
  const shim = loadShim()
  const netns = crowd(t, 40)
  await becomesIdle(shim, netns, () => {
    const handle = begin(shim, netns, NETLINK_ROUTE, LINKS, many)
    finish(shim, handle, many)
    return handle
  })
})

test('so it is with generic netlink, which does not mark what belongs to a dump', {
  skip: needsRoot || kernelLacks(() => real(familyId(NETDEV))),
}, async t => {
  const shim = loadShim()
  const netns = crowd(t, 120)
  const header = Uint8Array.of(NETDEV_CMD.DEV_GET, NETDEV.version, 0, 0)
  await becomesIdle(shim, netns, () => {
    const handle = begin(shim, netns, NETLINK_GENERIC, dumpRequest(real(familyId(NETDEV)), header))
    assert.equal(one.view.getUint16(6, LITTLE_ENDIAN) & NLM_F.MULTI, 0)
    block()
    finish(shim, handle)
    return handle
  })
})

test('so it is after a dump that was refused', root, async t => {
  const shim = loadShim()
  const netns = crowd(t, 40)
  await becomesIdle(shim, netns, () => {
    const handle = shim.openSocket(netns.fd!, NETLINK_ROUTE)
    const noSuch = dumpRequest(0xfff, new Uint8Array(16))
    assert.equal(shim.exchange(handle, noSuch, one.bytes, one.datagrams, 1000), 1)
    assert.deepEqual(one.types(1), [NLMSG.ERROR])
    return handle
  })
})

test('a dump in the middle keeps its place when all sockets are in use', root, t => {
  const shim = loadShim()
  const netns = crowd(t, 40)
  const handle = begin(shim, netns)
  const others = Array.from({ length: 600 }, () => shim.openSocket(-1, NETLINK_ROUTE))
  assert.ok(others.every(other => other > 0))
  finish(shim, handle)
  for (const socket of [handle, ...others]) shim.closeSocket(socket)
})

test('where all are in the middle of dumps the one that began last makes room', root, t => {
  const shim = loadShim()
  const netns = crowd(t, 40)
  const dumps = Array.from({ length: 512 }, () => begin(shim, netns))
  dumps.push(begin(shim, netns))
  const lost = dumps.filter(handle => receive(shim, handle) === EBADF)
  assert.equal(lost.length, 1)
  assert.ok(dumps.indexOf(lost[0]!) > 0)
  for (const handle of dumps) shim.closeSocket(handle)
})

test('a dump that nobody comes back for loses its socket after all', {
  skip: needsRoot || needsCompiler,
}, async t => {
  const shim = shimWith(t, 'DUMP_MS = 30000', 'DUMP_MS = 1000')
  const netns = crowd(t, 40)
  const before = descriptors()
  const handle = begin(shim, netns)
  assert.equal(socketsSince(before).length, 1)
  await until(() => socketsSince(before).length === 0)
  assert.equal(receive(shim, handle), EBADF)
})

test('a dump that a worker thread leaves in the middle leaves nothing open', root, async t => {
  const netns = crowd(t, 40)
  const source = `
    const { parentPort, workerData } = require('node:worker_threads')
    const shim = require(workerData.file)
    const handle = shim.openSocket(workerData.netns, 0)
    const [buffer, words] = [new Uint8Array(32768), new Uint32Array(2)]
    parentPort.postMessage(shim.exchange(handle, workerData.request, buffer, words, 1000))
    parentPort.ref()`
  const before = descriptors()
  const workerData = { file: shimFile(process.arch), netns: netns.fd, request: LINKS }
  const worker = new Worker(source, { eval: true, workerData })
  assert.equal(await new Promise(resolve => worker.once('message', resolve)), 1)
  assert.equal(socketsSince(before).length, 1)
  await worker.terminate()
  assert.deepEqual(socketsSince(before), [])
})

/** The shim with another constant in its source. */
function shimWith(t: TestContext, constant: string, changed: string): Shim {
  const source = readFileSync(fileURLToPath(new URL('../../bpf/sock.c', import.meta.url)), 'utf8')
  assert.ok(source.includes(constant))
  const folder = mkdtempSync(join(tmpdir(), 'veth-nl-shim-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'sock.c')
  writeFileSync(file, source.replace(constant, changed))
  const flags = compileCommand('cc', '').slice(1, -3)
  const addon = { exports: {} as Shim }
  process.dlopen(addon, compiled(t, file, ...flags))
  return addon.exports
}
