import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { loadShim, type Shim } from '../../src/kernel/shim.ts'
import { type Socket, Sockets } from '../../src/kernel/sockets.ts'
import { NETLINK_ROUTE } from '../../src/wire/netlink.ts'
import { needsRoot, ownNetns } from '../tools/netns.ts'
import { ScriptedShim } from './scripted.ts'

/** A path that can be had stand for one thing or another. */
function sign(t: TestContext): { path: string; pointTo(file: string): void } {
  const folder = mkdtempSync(join(tmpdir(), 'veth-nl-sign-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'netns')
  const pointTo = (file: string) => {
    rmSync(path, { force: true })
    symlinkSync(file, path)
  }
  return { path, pointTo }
}

/** The shim; `looked` is called when it has looked what a path stands for. */
function shimThat(looked: () => void): Shim {
  const shim = loadShim()
  const inode = (fd: number, path: string) => {
    const number = shim.inode(fd, path)
    if (fd === -1) looked()
    return number
  }
  return Object.assign(Object.create(shim) as Shim, { inode })
}

test('a path that changes while a socket is opened: it is used for where it was opened', {
  skip: needsRoot,
}, t => {
  const { path, pointTo } = sign(t)
  const [one, other] = [ownNetns(t), ownNetns(t)]
  const netns = { path, inode: null }
  let looked = () => pointTo(other.path)
  const sockets = new Sockets(shimThat(() => looked()))
  pointTo(one.path)
  const socket = sockets.take(netns, NETLINK_ROUTE)
  assert.equal(socket.inode, other.inode)
  looked = () => {}
  sockets.giveBack(socket)
  pointTo(one.path)
  const next = sockets.take(netns, NETLINK_ROUTE)
  assert.notEqual(next.slot, socket.slot)
  assert.equal(next.inode, one.inode)
  sockets.drop(next)
})

test('of more than can wait those of the namespace that was used longest ago go', () => {
  const shim = new ScriptedShim([])
  const sockets = new Sockets(shim)
  const socket = (slot: number): Socket => ({ slot, path: `/${slot}`, inode: slot, protocol: NETLINK_ROUTE })
  const take = (slot: number) => sockets.take({ path: `/${slot}`, inode: null }, NETLINK_ROUTE, slot)
  for (let slot = 1; slot <= 512; slot++) sockets.giveBack(socket(slot))
  sockets.giveBack(take(1))
  sockets.giveBack(socket(513))
  assert.deepEqual(shim.calls, ['close 2'])
  assert.equal(take(1).slot, 1)
})
