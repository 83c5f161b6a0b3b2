import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, openSync, readlinkSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { listNetnsIds } from '../../src/rtnetlink/netns-id.ts'
import { createNetns, createVethPair, type NetnsHandle } from '../../src/sync.ts'
import { asNobody, needsSetpriv, testAgain, testInPrivateMounts } from '../api/again.ts'
import { type AnyDevice, type Api, formsHere } from '../api/forms.ts'
import { needsCompiler } from '../tools/compiler.ts'
import { needsRoot, ownNetns } from '../tools/netns.ts'
import { real } from '../tools/real.ts'
import { until } from '../tools/until.ts'
import { netnsHeldElsewhere, processInNetns, threadInNetns, wandererInNetns } from './children.ts'

const root = { skip: needsRoot }

/** What was found is the very device that was meant, in its own namespace. */
async function same(found: AnyDevice, meant: AnyDevice): Promise<void> {
  const [one, other] = [await found.getLink(), await meant.getLink()]
  assert.deepEqual([one.name, one.index, one.address], [other.name, other.index, other.address])
  assert.equal(statSync(found.netns.path).ino, statSync(meant.netns.path).ino)
  assert.deepEqual([found.name, found.index], [one.name, one.index])
}

/** A pair with an end here and the other there. */
function pairAcross(api: Api, here: NetnsHandle, there: NetnsHandle) {
  return api.createVethPair({ name: 'a', netns: here, peer: { name: 'b', netns: there } })
}

async function failure(work: () => unknown): Promise<Error & Record<string, unknown>> {
  try {
    await work()
  } catch (error) {
    return error as Error & Record<string, unknown>
  }
  assert.fail('nothing was thrown')
}

/** Opens some socket. */
async function listen(t: TestContext): Promise<void> {
  const server = createServer().listen(`\0veth-nl-${randomUUID()}`)
  t.after(() => server.close())
  await once(server, 'listening')
}

function readlinkIfAny(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

for (const [form, api] of formsHere) {
  test(`${form}: the peer in the same namespace is found from either end`, root, async t => {
    const [a, b] = await api.createVethPair({ name: 'a', netns: ownNetns(t), peer: 'b' })
    await same(await a.getVethPeer(), b)
    await same(await b.getVethPeer(), a)
  })

  test(`${form}: a handle by name finds what one by index finds`, root, async t => {
    const netns = ownNetns(t)
    const [a, b] = await api.createVethPair({ name: 'a', netns, peer: 'b' })
    await same(await api.device('a', { netns }).getVethPeer(), b)
    await same(await api.device(a.index!, { netns }).getVethPeer(), b)
  })

  test(`${form}: ends of equal index in two namespaces are told apart`, root, async t => {
    const [a, b] = await pairAcross(api, ownNetns(t), ownNetns(t))
    assert.equal(a.index, b.index)
    await same(await a.getVethPeer(), b)
    await same(await b.getVethPeer(), a)
  })

  test(`${form}: another veth that has the peer's index here is not the peer`, root, async t => {
    const [here, there] = [ownNetns(t), ownNetns(t)]
    await api.createVethPair({ name: 'other0', netns: there, peer: 'other1' })
    const [a, b] = await pairAcross(api, here, there)
    const [decoy] = await api.createVethPair({ name: 'decoy0', netns: here, peer: 'decoy1' })
    assert.ok([decoy.index, decoy.index! - 1].includes(b.index!), 'the index is taken here too')
    await same(await a.getVethPeer(), b)
  })

  test(`${form}: a peer that was renamed is found by its new name`, root, async t => {
    const [a, b] = await pairAcross(api, ownNetns(t), ownNetns(t))
    await a.getVethPeer()
    const renamed = await b.rename('eth0')
    assert.equal((await a.getVethPeer()).name, 'eth0')
    await same(await a.getVethPeer(), renamed)
  })

  test(`${form}: a peer in a namespace that only a process holds is found there`, root, async t => {
    const pid = await processInNetns(t)
    const [a, b] = await api.createVethPair({ name: 'a', netns: ownNetns(t), peer: 'b' })
    await b.move({ pid })
    const peer = await a.getVethPeer()
    assert.equal(peer.netns.path, `/proc/${pid}/ns/net`)
    assert.equal((await peer.getLink()).name, 'b')
    await same(await peer.getVethPeer(), a)
  })

  test(
    `${form}: a process that is in another namespace by now, of the same id, leads to that one`,
    root,
    async t => {
      const home = ownNetns(t)
      const { pid, goOn } = await wandererInNetns(t)
      const [a, b] = await api.createVethPair({ name: 'a', netns: home, peer: 'b' })
      await b.move({ pid })
      const { linkNetnsId } = await a.getLink()
      await a.getVethPeer()
      await a.delete()
      await goOn()
      await until(() => !real(listNetnsIds(home)).includes(linkNetnsId!)) // the first namespace has ended
      const [c, d] = await api.createVethPair({ name: 'c', netns: home, peer: 'd' })
      const moved = await d.move({ pid })
      assert.equal((await c.getLink()).linkNetnsId, linkNetnsId)
      await same(await c.getVethPeer(), moved)
    },
  )

  test(`${form}: a peer in a namespace that only a thread is in is found there`, {
    skip: needsRoot || needsCompiler,
  }, async t => {
    const path = await threadInNetns(t)
    const [a, b] = await api.createVethPair({ name: 'a', netns: ownNetns(t), peer: 'b' })
    await b.move(path)
    const peer = await a.getVethPeer()
    assert.equal(peer.netns.path, path)
    await same(await peer.getVethPeer(), a)
  })

  test(`${form}: the peer is found after both ends have moved`, root, async t => {
    const [a, b] = await api.createVethPair({ name: 'a', netns: ownNetns(t), peer: 'b' })
    const [movedA, movedB] = [await a.move(ownNetns(t)), await b.move(ownNetns(t))]
    await same(await movedA.getVethPeer(), movedB)
    await same(await movedB.getVethPeer(), movedA)
  })

  test(`${form}: a peer that moves on between two calls is found at its new place`, root, async t => {
    const [home, first, second] = [ownNetns(t), ownNetns(t), ownNetns(t)]
    const [a, b] = await pairAcross(api, home, first)
    await same(await a.getVethPeer(), b)
    const inSecond = await b.move(second)
    await same(await a.getVethPeer(), inSecond)
    const atHome = await inSecond.move(home)
    await same(await a.getVethPeer(), atHome)
    const inFirst = await atHome.move(first)
    await same(await a.getVethPeer(), inFirst)
  })

  test(`${form}: a descriptor's number that means something else by now is not believed`, root, async t => {
    const [here, there] = [ownNetns(t), createNetns()]
    const [a] = await pairAcross(api, here, there)
    const kept = openSync(there.path, 'r')
    t.after(() => closeSync(kept))
    await a.getVethPeer()
    there.remove()
    const { fd } = there
    while (!readlinkIfAny(`/proc/self/fd/${fd}`).startsWith('socket:')) await listen(t)
    assert.equal((await a.getVethPeer()).netns.path, `/proc/self/fd/${kept}`)
  })

  testInPrivateMounts(`${form}: the peer in a named namespace is found by that name`, async () => {
    const [blue, red] = [createNetns('blue'), createNetns('red')]
    const [a, b] = await pairAcross(api, blue, red)
    const peer = await api.device('a', { netns: 'blue' }).getVethPeer()
    assert.equal(peer.netns.path, '/run/netns/red')
    assert.equal(`${peer}`, 'b in netns red')
    await same(peer, b)
    await same(await peer.getVethPeer(), a)
  })

  testInPrivateMounts(`${form}: a name given to another namespace meanwhile is not believed`, async () => {
    const [blue, red] = [createNetns('blue'), createNetns('red')]
    const [a, b] = await pairAcross(api, blue, red)
    await a.getVethPeer()
    const green = createNetns('green')
    const moved = await b.move(green)
    red.remove()
    createVethPair({ name: 'x', netns: createNetns('red'), peer: 'y' })
    await same(await a.getVethPeer(), moved)
  })

  test(`${form}: a device that is no veth has no peer`, root, async t => {
    const netns = ownNetns(t)
    const error = await failure(() => api.device('lo', { netns }).getVethPeer())
    assert.ok(error instanceof api.PeerError)
    assert.equal(error.code, 'ERR_VETH_NL_NOT_VETH')
    assert.match(error.message, /^lo in netns of descriptor \d+ is not a veth$/)
    assert.equal(error.peer, null)
  })

  test(`${form}: a device that is not there is ENODEV`, root, async t => {
    const netns = ownNetns(t)
    for (const ref of ['none', 4711]) {
      const error = await failure(() => api.device(ref, { netns }).getVethPeer())
      assert.ok(error instanceof api.NetlinkError)
      assert.deepEqual([error.code, error.syscall, error.device], ['ENODEV', 'RTM_GETLINK', `${ref}`])
    }
  })

  test(`${form}: of a peer out of reach the error tells what the kernel tells`, root, async t => {
    const [a, b] = await api.createVethPair({
      name: 'a',
      netns: ownNetns(t),
      peer: { name: 'b', mtu: 1400 },
    })
    const { address } = await b.getLink()
    const hidden = await b.move(await netnsHeldElsewhere(t))
    const { index } = await hidden.getLink()
    const error = await failure(() => a.getVethPeer())
    assert.ok(error instanceof api.PeerError)
    assert.equal(error.code, 'ERR_VETH_NL_PEER_UNREACHABLE')
    assert.deepEqual(
      [error.peer?.name, error.peer?.index, error.peer?.mtu, error.peer?.address, error.peer?.up],
      ['b', index, 1400, address, false],
    )
    assert.equal(error.peerNetns, null)
    assert.match(error.message, /'b' \(index \d+, down, mtu 1400\).*out of reach/)
  })

  test(`${form}: a peer out of reach can be asked by whoever knows the way`, root, async t => {
    const [a, b] = await api.createVethPair({ name: 'a', netns: ownNetns(t), peer: 'b' })
    const netns = await netnsHeldElsewhere(t)
    await b.move(netns)
    await same(await api.device('b', { netns }).getVethPeer(), a)
  })

  testAgain(
    `${form}: to whom the peer's namespace is closed, the error names the process in it`,
    needsRoot || needsSetpriv(),
    async t => {
      const netns = ownNetns(t)
      const [, b] = createVethPair({ name: 'a', netns, peer: 'b' })
      b.move({ pid: await processInNetns(t) })
      return ['nsenter', `--net=/proc/${process.pid}/fd/${netns.fd}`, ...asNobody()]
    },
    async () => {
      const error = await failure(() => api.device('a').getVethPeer())
      assert.ok(error instanceof api.PeerError)
      assert.equal(error.code, 'ERR_VETH_NL_PEER_UNREACHABLE')
      assert.match(error.peerNetns?.path ?? '', /^\/proc\/\d+\/ns\/net$/)
      assert.equal(error.peer, null)
      assert.match(error.message, /netns of process \d+ cannot be entered; it needs CAP_SYS_ADMIN over it$/)
    },
  )
}
