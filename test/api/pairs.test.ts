import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { NetnsHandle, VethPairOptions } from '../../src/sync.ts'
import { needsRoot, ownNetns } from '../tools/netns.ts'
import { EXTENSION, LOADER, often } from '../tools/this-run.ts'
import { testInPrivateMounts } from './again.ts'
import { type Api, formsHere } from './forms.ts'

const root = { skip: needsRoot }

async function names(api: Api, netns: VethPairOptions['netns']): Promise<string[]> {
  return (await api.listLinks({ netns })).map(({ name }) => name)
}

const pathOf = (netns: NetnsHandle) => `/proc/${process.pid}/fd/${netns.fd}`

/** Makes and deletes a pair for ever. */
const CHURN = `
  const { createVethPair } = await import(${JSON.stringify(join(import.meta.dirname, `../../src/sync${EXTENSION}`))})
  const { HERE, THERE } = process.env
  console.log('ready')
  for (;;) createVethPair({ name: 'churn', netns: HERE, peer: { name: 'churn', netns: THERE } })[0].delete()`

for (const [form, api] of formsHere) {
  test(`${form}: a list of pairs leaves out what goes away meanwhile`, { skip: needsRoot }, async t => {
    const [here, there] = [ownNetns(t), ownNetns(t)]
    for (let i = 0; i < 20; i++)
      await api.createVethPair({ name: `s${i}`, netns: here, peer: { name: `p${i}`, netns: there } })
    const child = spawn(process.execPath, [...LOADER, '--input-type=module', '--eval', CHURN], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, HERE: pathOf(here), THERE: pathOf(there) },
    })
    t.after(() => child.kill('SIGKILL'))
    await once(child.stdout, 'data')
    const times = often(40, 8)
    for (let i = 0; i < times; i++) assert.ok((await api.listVethPairs({ netns: here })).length >= 20)
  })

  test(`${form}: each end of a new pair is as it was asked for`, root, async t => {
    const [here, there] = [ownNetns(t), ownNetns(t)]
    const [a, b] = await api.createVethPair({
      name: 'a',
      netns: here,
      up: true,
      mtu: 1400,
      address: '02:00:00:00:00:0a',
      rxQueues: 2,
      txQueues: 3,
      peer: { name: 'b', netns: there, mtu: 9000, address: '02:00:00:00:00:0b', rxQueues: 4, txQueues: 1 },
    })
    const [one, other] = [await a.getLink(), await b.getLink()]
    assert.deepEqual(
      [one.name, one.up, one.mtu, one.address, one.numRxQueues, one.numTxQueues],
      ['a', true, 1400, '02:00:00:00:00:0a', 2, 3],
    )
    assert.deepEqual(
      [other.name, other.up, other.mtu, other.address, other.numRxQueues, other.numTxQueues],
      ['b', false, 9000, '02:00:00:00:00:0b', 4, 1],
    )
    assert.deepEqual([a.name, a.index, b.name, b.index], ['a', one.index, 'b', other.index])
    assert.deepEqual([a.netns.path, b.netns.path], [here.path, there.path])
  })

  test(
    `${form}: a peer that is but a name joins the first end, down and with the kernel's MTU`,
    root,
    async t => {
      const netns = ownNetns(t)
      const [a, b] = await api.createVethPair({ name: 'a', netns, peer: 'b' })
      assert.equal(b.netns.path, a.netns.path)
      const { up, mtu } = await b.getLink()
      assert.deepEqual([up, mtu], [false, 1500])
    },
  )

  test(`${form}: the peer may be up and the first end not`, root, async t => {
    const netns = ownNetns(t)
    const [a, b] = await api.createVethPair({ name: 'a', netns, peer: { name: 'b', up: true } })
    assert.deepEqual([(await a.getLink()).up, (await b.getLink()).up], [false, true])
  })

  test(`${form}: a pair that cannot be made leaves nothing`, root, async t => {
    const [here, there] = [ownNetns(t), ownNetns(t)]
    await api.createVethPair({ name: 'taken', netns: there, peer: 'other' })
    const before = [await names(api, here), await names(api, there)]
    const cases: [code: string, peer: Partial<VethPairOptions>][] = [
      ['EEXIST', { name: 'taken' }],
      ['EINVAL', { name: 'b', mtu: 67 }],
      ['EINVAL', { name: 'b', mtu: 65536 }],
      ['EINVAL', { name: 'b', rxQueues: 0 }],
      ['EADDRNOTAVAIL', { name: 'b', address: 'ff:ff:ff:ff:ff:ff' }],
    ]
    for (const [code, peer] of cases) {
      await assert.rejects(
        async () =>
          await api.createVethPair({ name: 'a', netns: here, peer: { name: 'b', netns: there, ...peer } }),
        (error: Error & { code?: string }) => {
          assert.ok(error instanceof api.NetlinkError)
          assert.deepEqual([error.code, error.syscall], [code, 'RTM_NEWLINK'])
          return true
        },
      )
      assert.deepEqual([await names(api, here), await names(api, there)], before)
    }
  })

  test(`${form}: a pair whose end cannot be brought up is taken away again`, root, async t => {
    const netns = ownNetns(t)
    const before = await names(api, netns)
    const peer = { name: 'b', netns: { path: '/proc/none/ns/net', inode: null } }
    await assert.rejects(async () => await api.createVethPair({ name: 'a', netns, up: true, peer }), {
      code: 'ENOENT',
    })
    assert.deepEqual(await names(api, netns), before)
  })

  test(`${form}: a list of pairs has each once, whichever of its ends are here`, root, async t => {
    const [here, there] = [ownNetns(t), ownNetns(t)]
    await api.createVethPair({ name: 'a', netns: here, peer: 'b' })
    await api.createVethPair({ name: 'c', netns: here, peer: { name: 'd', netns: there } })
    const list = async (netns: VethPairOptions['netns']) => {
      const pairs = await api.listVethPairs({ netns })
      return pairs.map(({ target, peer }) => [target.name, peer?.name, peer?.netns.path])
    }
    const [[one, other], across] = (await list(here)) as [string[], string[]]
    assert.deepEqual([one, other].sort(), ['a', 'b'])
    assert.deepEqual(across, ['c', 'd', there.path])
    assert.equal((await list(here)).length, 2)
    const [[end, peer, path] = []] = await list(there)
    assert.deepEqual([end, peer], ['d', 'c'])
    assert.equal(statSync(path!).ino, here.inode)
  })

  testInPrivateMounts(`${form}: a pair is made between two named namespaces`, async () => {
    await api.createNetns('blue')
    await api.createNetns('red')
    const peer = { name: 'eth0', netns: 'red' }
    const [a, b] = await api.createVethPair({ name: 'eth0', netns: 'blue', peer })
    assert.deepEqual([`${a}`, `${b}`], ['eth0 in netns blue', 'eth0 in netns red'])
    assert.equal(`${await a.getVethPeer()}`, 'eth0 in netns red')
  })
}
