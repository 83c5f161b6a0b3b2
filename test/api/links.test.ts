import assert from 'node:assert/strict'
import { test } from 'node:test'
import { device } from '../../src/sync.ts'
import { kernelLacks } from '../tools/kernel-needs.ts'
import { needsRoot, ownNetns } from '../tools/netns.ts'
import { formsHere } from './forms.ts'

const root = { skip: needsRoot }
const napi = { skip: needsRoot || kernelLacks(() => device('lo').getNapi()) }

for (const [form, api] of formsHere) {
  test(`${form}: a device goes up and down`, root, async t => {
    const [a] = await api.createVethPair({ name: 'a', netns: ownNetns(t), peer: 'b' })
    await a.up()
    assert.equal((await a.getLink()).up, true)
    await a.down()
    assert.equal((await a.getLink()).up, false)
  })

  test(
    `${form}: an MTU is set, and one beyond the driver's limits is refused with a reason`,
    root,
    async t => {
      const [a] = await api.createVethPair({ name: 'a', netns: ownNetns(t), peer: 'b' })
      await a.setMtu(1280)
      assert.equal((await a.getLink()).mtu, 1280)
      await assert.rejects(async () => await a.setMtu(67), {
        name: 'NetlinkError',
        code: 'EINVAL',
        reason: 'mtu less than device minimum',
      })
      assert.equal((await a.getLink()).mtu, 1280)
    },
  )

  test(`${form}: a device has its new name once it is renamed`, root, async t => {
    const netns = ownNetns(t)
    const [a] = await api.createVethPair({ name: 'a', netns, peer: 'b' })
    const renamed = await a.rename('c')
    assert.equal(renamed.name, 'c')
    assert.equal((await renamed.getLink()).index, a.index)
    await assert.rejects(async () => await api.device('a', { netns }).getLink(), { code: 'ENODEV' })
    await assert.rejects(async () => await renamed.rename('b'), { code: 'EEXIST' })
  })

  test(`${form}: a device that was moved is there and no longer here`, root, async t => {
    const [here, there] = [ownNetns(t), ownNetns(t)]
    const [a] = await api.createVethPair({ name: 'a', netns: here, peer: 'b' })
    const { address } = await a.getLink()
    const moved = await a.move({ fd: there.fd! })
    assert.deepEqual([moved.name, moved.netns.path], ['a', there.path])
    assert.equal((await moved.getLink()).address, address)
    await assert.rejects(async () => await a.getLink(), { code: 'ENODEV' })
  })

  test(`${form}: a move to where the name is taken is refused and leaves the device`, root, async t => {
    const [here, there] = [ownNetns(t), ownNetns(t)]
    await api.createVethPair({ name: 'a', netns: there, peer: 'b' })
    const [a] = await api.createVethPair({ name: 'a', netns: here, peer: 'b' })
    await assert.rejects(async () => await a.move(there), { code: 'EEXIST' })
    assert.equal((await a.getLink()).name, 'a')
  })

  test(`${form}: a veth that is deleted takes its peer along`, root, async t => {
    const [a, b] = await api.createVethPair({
      name: 'a',
      netns: ownNetns(t),
      peer: { name: 'b', netns: ownNetns(t) },
    })
    await a.delete()
    await assert.rejects(async () => await a.getLink(), { code: 'ENODEV' })
    await assert.rejects(async () => await b.getLink(), { code: 'ENODEV' })
  })

  test(`${form}: a list has every link with its kind, by index`, root, async t => {
    const netns = ownNetns(t)
    for (let i = 0; i < 100; i++) await api.createVethPair({ name: `a${i}`, netns, peer: `b${i}` })
    const links = await api.listLinks({ netns })
    const veths = links.filter(({ kind }) => kind === 'veth').map(({ name }) => name)
    assert.equal(new Set(veths).size, 200)
    assert.ok(links.some(({ name, kind }) => name === 'lo' && kind === ''))
    const indexes = links.map(({ index }) => index)
    assert.deepEqual(
      indexes,
      indexes.toSorted((x, y) => x - y),
    )
  })

  test(`${form}: NAPI instances are as many as receive queues while GRO is on`, napi, async t => {
    const peer = { name: 'b', rxQueues: 3, up: true }
    const [, b] = await api.createVethPair({ name: 'a', netns: ownNetns(t), up: true, peer })
    assert.deepEqual(await b.getNapi(), [])
    await b.setChannels({ rx: 3 })
    await b.setFeature('gro', true)
    const napi = await b.getNapi()
    assert.equal(napi.length, 3)
    assert.equal(new Set(napi.map(({ id }) => id)).size, 3)
    assert.ok(napi.every(({ index }) => index === b.index))
  })
}
