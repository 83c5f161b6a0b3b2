import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readSync, rmSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { xdpPass } from '../../src/sync.ts'
import { needsRoot, ownNetns } from '../tools/netns.ts'
import { testInPrivateMounts } from './again.ts'
import { type Api, formsHere } from './forms.ts'

/** Handles that hold a descriptor, and how each is let go of. */
const HANDLES: readonly [what: string, make: (api: Api, t: TestContext) => Promise<() => unknown>][] = [
  ['a namespace', async api => letGo(await api.createNetns(), 'remove')],
  ['a redirect counter', async api => letGo(await api.countRedirects(), 'close')],
  ['a program of the process', (api, t) => attached(api, t, 'process')],
  ['a program of the device', (api, t) => attached(api, t, 'device')],
]

function letGo<K extends string>(handle: Record<K, () => unknown>, how: K): () => unknown {
  return () => handle[how]()
}

async function attached(api: Api, t: TestContext, lifetime: 'device' | 'process'): Promise<() => unknown> {
  const [veth] = await api.createVethPair({ name: 'a', netns: ownNetns(t), up: true, peer: 'b' })
  return letGo(await veth.attachXdp(xdpPass(), { lifetime }), 'detach')
}

for (const [form, api] of formsHere) {
  for (const [what, make] of HANDLES) {
    test(`${form}: ${what} that is let go of twice closes no descriptor of others`, {
      skip: needsRoot,
    }, async t => {
      const release = await make(api, t)
      await release()
      // These get the numbers that have become free.
      const others = Array.from({ length: 8 }, () => openSync('/proc/self/status', 'r'))
      await release()
      for (const fd of others) assert.ok(readSync(fd, new Uint8Array(8)) > 0)
      others.forEach(closeSync)
    })
  }

  test(`${form}: a closed redirect counter is not read any more`, { skip: needsRoot }, async () => {
    const counter = await api.countRedirects()
    await counter.close()
    await assert.rejects(async () => await counter.read(), /is closed/)
  })

  testInPrivateMounts(
    `${form}: a namespace whose name somebody else has taken away is let go of`,
    async () => {
      const netns = await api.createNetns('blue')
      execFileSync('umount', ['/run/netns/blue'])
      rmSync('/run/netns/blue')
      await netns.remove()
      await assert.rejects(async () => await api.listLinks({ netns }), {
        name: 'SystemError',
        code: 'ENOENT',
      })
    },
  )

  testInPrivateMounts(`${form}: a name that was given to another namespace is left to it`, async () => {
    const first = await api.createNetns('blue')
    // The number of a namespace that is gone may be the next one's.
    const alive = openSync(first.path, 'r')
    const same = { ...first }
    await first.remove()
    const second = await api.createNetns('blue')
    await first.remove()
    assert.ok((await api.listLinks({ netns: 'blue' })).length > 0)
    assert.notEqual(second.inode, same.inode)
    await second.remove()
    closeSync(alive)
  })
}
