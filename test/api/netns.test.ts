import assert from 'node:assert/strict'
import { closeSync, existsSync, openSync, readdirSync, statSync } from 'node:fs'
import { test } from 'node:test'
import { needsRoot } from '../tools/netns.ts'
import { testInPrivateMounts } from './again.ts'
import { formsHere } from './forms.ts'

for (const [form, api] of formsHere) {
  test(`${form}: a namespace without a name is held by a descriptor, and let go of once`, {
    skip: needsRoot,
  }, async () => {
    const netns = await api.createNetns()
    assert.deepEqual([netns.name, netns.path], [null, `/proc/self/fd/${netns.fd}`])
    assert.equal(statSync(netns.path).ino, netns.inode)
    assert.notEqual(netns.inode, statSync('/proc/self/ns/net').ino)
    assert.deepEqual((await api.listLinks({ netns })).map(({ name }) => name).includes('lo'), true)
    assert.equal(`${netns}`, `netns of descriptor ${netns.fd}`)
    await netns.remove()
    assert.equal(existsSync(netns.path), false)
    // Nor does a socket that is still there from before answer for it.
    const gone = /there is no such network namespace/
    await assert.rejects(async () => await api.listLinks({ netns }), gone)
    await assert.rejects(async () => await api.device('lo', { netns }).getLink(), gone)
  })

  testInPrivateMounts(
    `${form}: a named namespace is a file under /run/netns until it is removed`,
    async () => {
      const netns = await api.createNetns('blue')
      assert.deepEqual([netns.name, netns.path, netns.fd], ['blue', '/run/netns/blue', null])
      assert.equal(statSync('/run/netns/blue').ino, netns.inode)
      assert.equal(`${netns}`, 'netns blue')
      assert.ok((await api.listLinks({ netns: 'blue' })).some(({ name }) => name === 'lo'))
      await netns.remove()
      assert.deepEqual(readdirSync('/run/netns'), [])
      await assert.rejects(async () => await api.listLinks({ netns }), { code: 'ENOENT' })
    },
  )

  testInPrivateMounts(`${form}: a name that is taken stays whose it is`, async () => {
    const blue = await api.createNetns('blue')
    await assert.rejects(async () => await api.createNetns('blue'), { code: 'EEXIST' })
    assert.equal(statSync('/run/netns/blue').ino, blue.inode)
  })

  testInPrivateMounts(
    `${form}: a handle does not take another namespace of its name for its own`,
    async () => {
      const first = await api.createNetns('blue')
      // While it lives its inode's number, by which the handle knows it, is nobody else's.
      const alive = openSync(first.path, 'r')
      await first.remove()
      await api.createNetns('blue')
      await assert.rejects(async () => await api.listLinks({ netns: first }), { code: 'ESTALE' })
      closeSync(alive)
    },
  )

  test(`${form}: what cannot be a namespace's name is refused`, async () => {
    for (const name of ['', '.', '..', 'a/b', 'a\0b']) {
      await assert.rejects(async () => await api.createNetns(name), TypeError)
    }
  })
}
