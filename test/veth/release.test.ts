import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, openSync, rmSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createNetns, createVethPair, type Device, type NetnsHandle } from '../../src/sync.ts'
import { testInPrivateMounts } from '../api/again.ts'
import { type AnyDevice, formsHere } from '../api/forms.ts'
import { needsRoot, ownNetns } from '../tools/netns.ts'
import { needsTime } from '../tools/this-run.ts'

// A socket keeps its namespace alive, and a namespace its devices, and a veth its peer: what we asked a moment
// ago must not keep a container's host end from going away.
const SOON = 2000
/** Where it is waited for, a busy machine may take longer; what is kept for good never goes. Milliseconds. */
const LATEST = 10_000
/** A socket is closed when it has been idle for so long; milliseconds. */
const IDLE = 500

const forBlocking = new Int32Array(new SharedArrayBuffer(4))

/** Holds the JS thread, as a program without an event loop does. */
function block(milliseconds: number): void {
  Atomics.wait(forBlocking, 0, 0, milliseconds)
}

/** Whether a device is there, as somebody sees who has nothing to do with us. */
function isThere(netns: NetnsHandle, name: string): boolean {
  const look = ['sh', '-c', `grep -q '^ *${name}:' /proc/thread-self/net/dev && echo yes || echo no`]
  const where = netns.fd === null ? netns.path : `/proc/${process.pid}/fd/${netns.fd}`
  return execFileSync('nsenter', [`--net=${where}`, ...look], { encoding: 'utf8' }) === 'yes\n'
}

async function goes(netns: NetnsHandle, name: string): Promise<void> {
  const deadline = performance.now() + LATEST
  while (isThere(netns, name)) {
    assert.ok(performance.now() < deadline, `${name} is still there`)
    await sleep(50)
  }
}

/** Everything that opens a socket in the peer's namespace. */
async function askAll(peer: AnyDevice): Promise<void> {
  await peer.getLink()
  await peer.getVethPeer()
  await peer.getFeatures()
  await peer.explainRedirect()
}

/** What `ip netns del` does. */
function deleteAsIproute2Does(name: string): void {
  execFileSync('umount', ['--lazy', `/run/netns/${name}`])
  rmSync(`/run/netns/${name}`)
}

for (const [form, api] of formsHere) {
  test(`${form}: the host end goes soon after its peer's namespace, asked about a moment ago`, {
    skip: needsRoot || needsTime,
  }, async t => {
    const [host, container] = [ownNetns(t), createNetns()]
    createVethPair({ name: 'host', netns: host, peer: { name: 'eth0', netns: container } })
    // A descriptor that we do not see closed: remove() closes the sockets that were opened by its own.
    const fd = openSync(`/proc/self/fd/${container.fd}`, 'r')
    container.remove()
    const asked = performance.now()
    await askAll(api.device('eth0', { netns: { fd } }))
    closeSync(fd)
    const stays = isThere(host, 'host')
    // To look takes long on a slow machine.
    if (performance.now() - asked < IDLE)
      assert.ok(stays, 'the idle socket is still open: else this shows nothing')
    await goes(host, 'host')
  })

  testInPrivateMounts(`${form}: the host end goes soon after ip netns del of a name`, async () => {
    const [host, container] = [createNetns(), createNetns('container')]
    createVethPair({ name: 'host', netns: host, peer: { name: 'eth0', netns: container } })
    await askAll(await api.device('host', { netns: host }).getVethPeer())
    deleteAsIproute2Does('container')
    await goes(host, 'host')
  })

  testInPrivateMounts(`${form}: the host end goes soon after a handle's remove()`, async () => {
    const [host, container] = [createNetns(), await api.createNetns('container')]
    createVethPair({ name: 'host', netns: host, peer: { name: 'eth0', netns: container } })
    await askAll(await api.device('host', { netns: host }).getVethPeer())
    await container.remove()
    await goes(host, 'host')
  })

  test(`${form}: the host end goes though the program blocks its only thread`, {
    skip: needsRoot || needsTime,
  }, async t => {
    const [host, container] = [ownNetns(t), createNetns()]
    createVethPair({ name: 'host', netns: host, peer: { name: 'eth0', netns: container } })
    await askAll(await api.device('host', { netns: host }).getVethPeer())
    container.remove()
    block(SOON)
    assert.ok(!isThere(host, 'host'))
  })

  test(`${form}: the host end goes though the program keeps asking for it`, {
    skip: needsRoot || needsTime,
  }, async t => {
    const [host, container] = [ownNetns(t), createNetns()]
    createVethPair({ name: 'host', netns: host, peer: { name: 'eth0', netns: container } })
    const end = api.device('host', { netns: host })
    await askAll(await end.getVethPeer())
    container.remove()
    const deadline = performance.now() + LATEST
    let gone = false
    while (!gone && performance.now() < deadline) {
      gone = await isGone(end)
      await sleep(5)
    }
    assert.ok(gone)
    assert.ok(!isThere(host, 'host'))
  })

  test(`${form}: the host end goes though the program keeps asking elsewhere`, {
    skip: needsRoot || needsTime,
  }, async t => {
    const [host, container] = [ownNetns(t), createNetns()]
    createVethPair({ name: 'host', netns: host, peer: { name: 'eth0', netns: container } })
    await askAll(await api.device('host', { netns: host }).getVethPeer())
    container.remove()
    const deadline = performance.now() + SOON
    while (performance.now() < deadline) await api.device('lo', { netns: host }).getFeatures()
    assert.ok(!isThere(host, 'host'))
  })
}

/** Asks for everything about it, as long as it is there. */
async function isGone(end: AnyDevice): Promise<boolean> {
  try {
    await end.getVethPeer()
    await end.explainRedirect()
    return false
  } catch (error) {
    const { code } = error as { code?: string }
    assert.ok(['ENODEV', 'ERR_VETH_NL_PEER_UNREACHABLE'].includes(code ?? ''), `${error}`)
    return code === 'ENODEV'
  }
}

test('a handle does not keep a namespace alive', { skip: needsRoot || needsTime }, async t => {
  const [host, container] = [ownNetns(t), createNetns()]
  const [, eth0]: [Device, Device] = createVethPair({
    name: 'host',
    netns: host,
    peer: { name: 'eth0', netns: container },
  })
  assert.equal(eth0.getLink().name, 'eth0')
  container.remove()
  await goes(host, 'host')
  assert.throws(() => eth0.getLink(), { name: 'SystemError' })
})
