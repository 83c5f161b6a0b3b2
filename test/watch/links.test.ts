import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { createVethPair, device, type LinkEvent, watchLinks } from '../../src/index.ts'
import { loadShim } from '../../src/kernel/shim.ts'
import { newLink } from '../../src/rtnetlink/link-operations.ts'
import { assignNetnsId, getNetnsId, listNetnsIds } from '../../src/rtnetlink/netns-id.ts'
import * as sync from '../../src/sync.ts'
import { createNetns, listLinks, type NetnsHandle } from '../../src/sync.ts'
import { changedLinkFields } from '../../src/watch/link-difference.ts'
import { Places } from '../../src/watch/places.ts'
import { netnsFrom, OWN_NETNS } from '../../src/wire/netns.ts'
import { testInPrivate, testUnprivileged } from '../api/again.ts'
import { ownNetns } from '../tools/netns.ts'
import { real } from '../tools/real.ts'
import { often } from '../tools/this-run.ts'
import { Follower, waitUntil } from './follow.ts'

/** This process's own namespace, for the shim. */
const OWN = -1
const ip = (...words: string[]) => execFileSync('ip', ['link', 'set', 'dev', ...words], { stdio: 'pipe' })

testInPrivate('what there is comes first, then what becomes of it', async t => {
  const [a, b] = await createVethPair({ name: 'a', peer: 'b' })
  const watch = new Follower(t, {})
  for (const name of ['lo', 'b', 'a']) {
    const { link, netns, netnsId } = await watch.told('added', name)
    assert.deepEqual([netns, netnsId], [OWN_NETNS, null])
    assert.deepEqual(link, Object.assign(await device(name).getLink(), { stats: null }))
  }

  await a.setMtu(1400)
  const changed = await watch.told('changed', 'a')
  assert.deepEqual([changed.fields, changed.old.mtu, changed.link.mtu], [['mtu'], 1500, 1400])

  const c = await b.rename('c')
  const renamed = await watch.told('changed', 'c')
  assert.deepEqual([renamed.fields, renamed.old.name], [['name'], 'b'])

  await c.delete()
  await watch.until('both are gone', () => watch.table.size === 1)
  assert.deepEqual(watch.events.map(({ type, link }) => [type, link.name]).toSorted(), [
    ['removed', 'a'],
    ['removed', 'c'],
  ])
})

testInPrivate('a veth is told of when it has its peer', async t => {
  const watch = new Follower(t, {})
  await watch.told('added', 'lo')
  for (let i = 0; i < 20; i++) {
    const [a, b] = await createVethPair({ name: `a${i}`, peer: `b${i}` })
    await watch.until('both', () => watch.events.length === 2)
    const [first, second] = watch.events.splice(0)
    assert.deepEqual([first!.type, second!.type], ['added', 'added'])
    assert.deepEqual([first!.link.link, second!.link.link], [second!.link.index, first!.link.index])
    await (i % 2 === 0 ? a : b).delete()
    await watch.until('gone', () => watch.events.length === 2)
    watch.events.splice(0)
  }
})

testInPrivate("what a bridge says of its ports is no device's end, and is told all the same", async t => {
  real(newLink(OWN_NETNS, { name: 'br0', linkinfo: { kind: 'bridge', data: null } }))
  await createVethPair({ name: 'a', up: true, peer: { name: 'b', up: true } })
  const watch = new Follower(t, {})
  await watch.until('all', () => watch.table.size === 4)
  watch.events.splice(0)
  const inStep = () =>
    watch.until('all as the kernel has it', () =>
      listLinks().every(link => {
        const told = watch.table.get(`null/${link.index}`)
        link.stats = null
        return told !== undefined && changedLinkFields(told, link).length === 0
      }),
    )
  const kinds = () => [...watch.table.values()].map(({ linkinfo }) => linkinfo?.slaveKind)
  for (const words of [
    ['br0', 'up'],
    ['a', 'master', 'br0'],
    ['br0', 'address', '02:00:00:00:00:01'],
    ['a', 'type', 'bridge_slave', 'cost', '7'],
  ]) {
    ip(...words)
    await inStep()
  }
  assert.ok(kinds().includes('bridge'))
  // From a frame the bridge learns an address, and counts it (IFLA_BR_FDB_N_LEARNED, Linux 6.7): no message tells of that.
  const sender = listLinks().find(({ name }) => name === 'b')!.index
  const frame = Uint8Array.from({ length: 60 }, (_, i) => (i < 6 ? 0xff : i === 6 ? 2 : i))
  assert.equal(loadShim().sendFrames(OWN, sender, frame, 1), 1)
  await inStep()
  ip('a', 'nomaster')
  await watch.until('no port', () => !kinds().includes('bridge'))
  await inStep()
  assert.ok(watch.events.every(({ type }) => type === 'changed'))
})

testInPrivate('a veth that moves is removed and added, and its peer leads after it, told or not', async t => {
  const [one, two, three] = [ownNetns(t), ownNetns(t), ownNetns(t)]
  const watch = new Follower(t, { netns: [one, two, three] })
  const [a, b] = await createVethPair({ name: 'a', netns: one, peer: 'b' })
  const told = await watch.told('added', 'a')
  const leadsTo = (netns: NetnsHandle) => {
    const link = watch.table.get(`${told.netnsId}/${told.link.index}`)
    const kernel = listLinks({ netns: one }).find(({ name }) => name === 'a')!
    return kernel.linkNetnsId === link?.linkNetnsId && kernel.link === link.link && netns.fd !== null
  }
  let end = b
  // While a is down, of its peer's going from the second to the third nobody tells in the first.
  for (const to of [two, three, two, one]) {
    end = await end.move(to)
    const { netns, link } = await watch.told('added', 'b')
    assert.equal(netns?.inode, to.inode)
    await watch.until('a leads there', () => leadsTo(to))
    assert.equal(link.name, 'b')
  }
  await a.delete()
  await watch.until('only lo', () => watch.table.size === 3)
})

testInPrivate(
  'with a namespace its devices go, no watch keeps it alive, and the last one ends the watch',
  async t => {
    const [here, there] = [createNetns(), createNetns()]
    const watch = new Follower(t, { netns: [here, there] })
    await createVethPair({ name: 'a', netns: here, peer: { name: 'b', netns: there } })
    await watch.told('added', 'b')
    there.remove()
    await watch.until('both ends and lo there', () => watch.table.size === 1)
    here.remove()
    await watch.until('the other lo', () => watch.table.size === 0 && watch.ended !== undefined)
    assert.equal(watch.ended, null)
  },
)

testInPrivate('what changes while its namespace ends is told to be gone all the same', async t => {
  for (let round = 0; round < often(60, 5); round++) {
    const [here, there] = [createNetns(), createNetns()]
    const watch = new Follower(t, { netns: [there] })
    for (let i = 0; i < 4; i++)
      await createVethPair({ name: `a${i}`, netns: there, peer: { name: `b${i}`, netns: here } })
    await watch.until('all', () => watch.table.size === 5)
    const ends = Array.from({ length: 4 }, (_, i) => sync.device(`a${i}`, { netns: there }))
    for (const end of ends) end.setMtu(1400)
    if (round % 2 === 0) await sleep(2)
    there.remove()
    await watch.until('the end', () => watch.ended !== undefined)
    assert.deepEqual([watch.ended, [...watch.table.keys()]], [null, []], `round ${round}`)
    here.remove()
  }
})

testInPrivate(
  'an id that was given anew while messages were lost is not taken for the same namespace',
  async t => {
    const watched = createNetns('watched')
    const places = new Places([netnsFrom('watched')])
    real(places.begin())
    const [place] = places.all
    real(places.reconsider())
    assert.deepEqual(places.all, [place])

    // A descriptor alone holds it: nothing else has the id.
    const held = openSync('/run/netns/watched', 'r')
    watched.remove()
    real(places.reconsider())
    assert.deepEqual(places.all, [place])

    closeSync(held)
    const other = createNetns('other')
    t.after(() => other.remove())
    await waitUntil('the id is free', () => !real(listNetnsIds(OWN_NETNS)).includes(place!.netnsId!))
    real(assignNetnsId(OWN_NETNS, netnsFrom('other')))
    assert.equal(real(getNetnsId(OWN_NETNS, netnsFrom('other'))), place!.netnsId)
    real(places.reconsider())
    assert.deepEqual(places.all, [])
  },
)

testInPrivate("'all' has namespaces that come, with nothing that leads there, until they go", async t => {
  const named = createNetns('before')
  const watch = new Follower(t, { netns: 'all' })
  await watch.next('its lo', ({ netns }) => netns?.path === '/run/netns/before')
  for (let i = 0; i < 3; i++) {
    const later = i === 0 ? createNetns() : createNetns(`later${i}`)
    const { netnsId } = await watch.next('its lo', ({ netns }) => netns?.inode === later.inode)
    const [, b] = await createVethPair({ name: 'a', netns: later, peer: { name: 'b', netns: named } })
    await watch.told('added', 'b')
    await b.setMtu(1300)
    await watch.told('changed', 'b')
    later.remove()
    await watch.next('its lo goes', event => event.type === 'removed' && event.netnsId === netnsId)
    await watch.until('b went, too', () => watch.table.size === 2)
  }
})

testInPrivate('a consumer that does not read is told the difference when it does', async () => {
  const [a] = await createVethPair({ name: 'a', peer: 'b' })
  const watch = watchLinks()
  const next = async () => (await watch.next()).value as LinkEvent & { type: 'changed' }
  for (let i = 0; i < 3; i++) assert.equal((await next()).type, 'added' as string)

  for (let mtu = 1400; mtu < 1500; mtu++) await a.setMtu(mtu)
  const [c, d] = await createVethPair({ name: 'c', peer: 'd' })
  await c.delete()
  await createVethPair({ name: 'e', peer: 'f' })
  await sleep(100)
  const changed = await next()
  assert.deepEqual([changed.type, changed.link.name, changed.fields], ['changed', 'a', ['mtu']])
  assert.deepEqual([changed.old.mtu, changed.link.mtu], [1500, 1499])
  const added = [await next(), await next()]
  assert.deepEqual(added.map(({ link }) => link.name).toSorted(), ['e', 'f'], 'c and d came and went')
  assert.notEqual(d.name, added[0]!.link.name)

  // The same index, and another device.
  const { index } = await a.getLink()
  await a.delete()
  real(newLink(OWN_NETNS, { index, name: 'g', linkinfo: { kind: 'bridge', data: null } }))
  await sleep(100)
  const rest = [await next(), await next(), await next()].map(({ type, link }) => [type as string, link.name])
  assert.deepEqual(
    rest.filter(([, name]) => name !== 'b'),
    [
      ['removed', 'a'],
      ['added', 'g'],
    ],
  )
  await watch.return?.()
})

testUnprivileged("without privilege one's own namespace can be watched, and no other", async t => {
  const watch = new Follower(t, {})
  await watch.told('added', 'lo')
  await assert.rejects(async () => await watchLinks({ netns: 'all' }).next(), {
    code: 'EPERM',
    message: /CAP_NET_(ADMIN|BROADCAST)/,
  })
})
