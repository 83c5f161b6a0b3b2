import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { A_HEADER, ETHTOOL, ETHTOOL_NTF } from '../../src/ethtool/message.ts'
import { familyId } from '../../src/genetlink/controller.ts'
import { type NetdevEvent, watchNetdev } from '../../src/index.ts'
import { getXdpFeatures, listNetdevDevices } from '../../src/netdev/device.ts'
import { NETDEV, NETDEV_NTF } from '../../src/netdev/message.ts'
import { listAllNapi } from '../../src/netdev/napi.ts'
import { listPagePools, PagePool } from '../../src/netdev/page-pool.ts'
import { createVethPair, device, listLinks, type NetnsHandle, xdpPass } from '../../src/sync.ts'
import { WatchedNetdev } from '../../src/watch/netdev.ts'
import { Table } from '../../src/watch/table.ts'
import { OWN_NETNS } from '../../src/wire/netns.ts'
import { Writer } from '../../src/wire/writer.ts'
import { kernelHas, kernelLacks } from '../tools/kernel-needs.ts'
import { inNetns, needsRoot, ownNetns } from '../tools/netns.ts'
import { real } from '../tools/real.ts'
import { often } from '../tools/this-run.ts'
import { until } from '../tools/until.ts'
import { needsVethChannels } from '../tools/veth-channels.ts'
import { Random } from '../walk/random.ts'

const skip = needsRoot || kernelLacks(() => real(getXdpFeatures({ netns: OWN_NETNS, device: 1 })))
const HERE = { netns: OWN_NETNS, netnsId: null }
const needsNapi = kernelHas(6, 8) ? false : 'needs NAPI in the netdev family, Linux 6.8'

/** Reads on until an event is like this. */
async function expect(watch: AsyncIterator<NetdevEvent>, type: string, kind: string, index: number) {
  for (;;) {
    const { value } = await watch.next()
    if (value.type === type && value.kind === kind && value.object.index === index) return value
  }
}

describe('what the netdev family knows', { skip }, () => {
  test(
    'is told when it changes, with what it was',
    inNetns(async netns => {
      const watch = watchNetdev({ netns, signal: AbortSignal.timeout(60_000) })
      await expect(watch, 'added', 'device', 1)
      const [a, b] = createVethPair({ name: 'va', netns, peer: 'vb' })
      const [va, vb] = [a.getLink().index, b.getLink().index]
      await expect(watch, 'added', 'device', va)
      b.up()
      b.setFeature('gro', true)
      const changed = await expect(watch, 'changed', 'device', va)
      assert.deepEqual(changed.fields, ['xdpFeatures'])
      assert.ok(changed.object.xdpFeatures.includes('ndo-xmit'))
      assert.ok(!changed.old.xdpFeatures.includes('ndo-xmit'))
      if (!needsNapi) {
        const { object } = await expect(watch, 'added', 'napi', vb)
        assert.deepEqual(
          b.getNapi().map(({ id }) => id),
          [object.id],
        )
      }
      a.delete()
      await expect(watch, 'removed', 'device', vb)
      await watch.return?.()
    }),
  )

  test(
    'has a NAPI instance exactly while there is one',
    { skip: needsNapi },
    inNetns(async netns => {
      const [a, b] = createVethPair({ name: 'va', netns, peer: 'vb', up: true, rxQueues: 2 })
      b.up()
      if (!needsVethChannels) a.setChannels({ rx: 1 })
      const { index } = a.getLink()
      const watch = watchNetdev({ netns, signal: AbortSignal.timeout(60_000) })
      await expect(watch, 'added', 'device', index)
      // By GRO, of which ethtool tells; by a program, of which rtnetlink tells; and only while the device is up.
      a.setFeature('gro', true)
      await expect(watch, 'added', 'napi', index)
      a.down()
      await expect(watch, 'removed', 'napi', index)
      a.up()
      await expect(watch, 'added', 'napi', index)
      a.setFeature('gro', false)
      await expect(watch, 'removed', 'napi', index)
      const program = a.attachXdp(xdpPass())
      await expect(watch, 'added', 'napi', index)
      program.detach()
      await expect(watch, 'removed', 'napi', index)
      if (!needsVethChannels) {
        // Another queue, of which only ethtool tells.
        a.setFeature('gro', true)
        await expect(watch, 'added', 'napi', index)
        a.setChannels({ rx: 2 })
        await expect(watch, 'added', 'napi', index)
      }
      await watch.return?.()
    }),
  )

  test('of several namespaces is told with where it is', async t => {
    const [one, two] = [ownNetns(t), ownNetns(t)]
    const watch = watchNetdev({ netns: [one, two], signal: AbortSignal.timeout(60_000) })
    const [first, second] = [
      await expect(watch, 'added', 'device', 1),
      await expect(watch, 'added', 'device', 1),
    ]
    assert.deepEqual([first.netns?.inode, second.netns?.inode], [one.inode, two.inode])
    const [a, b] = createVethPair({ name: 'va', netns: one, up: true, peer: { name: 'vb', netns: two } })
    // Each is the first in its namespace: they have the same index.
    for (let i = 0; i < 2; i++) await expect(watch, 'added', 'device', a.getLink().index)
    b.up()
    b.setFeature('gro', true)
    const changed = await expect(watch, 'changed', 'device', a.getLink().index)
    assert.deepEqual([changed.fields, changed.netnsId], [['xdpFeatures'], first.netnsId])
    assert.equal(b.getLink().index, a.getLink().index)
    if (!needsNapi) {
      const napi = await expect(watch, 'added', 'napi', b.getLink().index)
      assert.equal(napi.netnsId, second.netnsId)
    }
    await watch.return?.()
  })

  for (const seed of [1, 2, 3]) {
    test(
      `in the end is as if asked for, though messages are lost: seed ${seed}`,
      inNetns(async netns => {
        const known = new Map<string, unknown>()
        let losses = 0
        const controller = new AbortController()
        const consumer = (async () => {
          for await (const event of watchNetdev({ netns, receiveBuffer: 1, signal: controller.signal })) {
            if (event.type === 'resync') losses += event.losses
            else if (event.type === 'removed') assert.ok(known.delete(keyOf(event)))
            else known.set(keyOf(event), event.object)
          }
        })()
        await change(netns, new Random(seed))
        await until(() => isDeepStrictEqual([...known].sort(byKey), asked(netns)))
        assert.ok(losses >= often(1, 0)) // an emulated kernel is too slow to lose any
        controller.abort()
        await assert.rejects(consumer, { name: 'AbortError' })
      }),
    )
  }

  // A veth's page pools are not linked to it, so the kernel tells of none here.
  test('takes what messages say of page pools', { skip: needsNapi }, () => {
    assert.ok(Array.isArray(real(listPagePools(OWN_NETNS))))
    const { table, feeds } = listening()
    const hear = (command: number, attributes: Record<number, number>) => {
      const message = genericMessage(command, writer => writeNumbers(writer, attributes))
      feeds[0]!.hear(table, message, 0, message.byteLength, real(familyId(NETDEV)), null)
      return table.take()
    }
    const pool = Object.assign(new PagePool(), { id: 7, index: 3, napiId: 100 })
    const attributes = { 1: 7, 2: 3, 3: 100, 4: 5 }
    assert.deepEqual(hear(NETDEV_NTF.PAGE_POOL_ADD_NTF, attributes), {
      type: 'added',
      kind: 'page-pool',
      object: pool,
      ...HERE,
    })
    assert.equal(hear(NETDEV_NTF.PAGE_POOL_CHANGE_NTF, { ...attributes, 4: 6 }), null) // pages in use are no change
    const detached = Object.assign(new PagePool(), { ...pool, index: 1, detachTime: 9n })
    assert.deepEqual(hear(NETDEV_NTF.PAGE_POOL_CHANGE_NTF, { ...attributes, 2: 1, 6: 9 }), {
      type: 'changed',
      kind: 'page-pool',
      object: detached,
      old: pool,
      fields: ['index', 'detachTime'],
      ...HERE,
    })
    assert.deepEqual(hear(NETDEV_NTF.PAGE_POOL_DEL_NTF, attributes), {
      type: 'removed',
      kind: 'page-pool',
      object: detached,
      ...HERE,
    })
  })

  test("asks for a device's NAPI instances when its channels are changed", { skip: needsNapi }, () => {
    const { table, feeds } = listening()
    const message = genericMessage(ETHTOOL_NTF.CHANNELS_NTF, writer => {
      writer.nest(A_HEADER, () => writeNumbers(writer, { 1: 3 }))
    })
    feeds[2]!.hear(table, message, 0, message.byteLength, real(familyId(ETHTOOL)), null)
    assert.deepEqual(table.beginListing(), ['/napi 3 '])
  })
})

/** As when everything has been listed, and there was nothing. */
function listening() {
  const watched = new WatchedNetdev([OWN_NETNS])
  const feeds = real(watched.feeds())
  type Known = Parameters<typeof watched.describe>[0]
  const table = new Table<NonNullable<Known>, NetdevEvent>((before, after) => watched.describe(before, after))
  table.beginListing()
  table.endListing([])
  return { table, feeds }
}

type Told = Exclude<NetdevEvent, { type: 'resync' }>

function keyOf({ kind, object }: Pick<Told, 'kind' | 'object'>): string {
  return `${kind} ${object.index} ${'id' in object ? object.id : ''}`
}

function byKey([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : 1
}

/** What there is now. */
function asked(netns: NetnsHandle): [string, unknown][] {
  const devices = real(listNetdevDevices(netns)).map(object => [keyOf({ kind: 'device', object }), object])
  const napi = needsNapi
    ? []
    : real(listAllNapi(netns)).map(object => [keyOf({ kind: 'napi', object }), object])
  return ([...devices, ...napi] as [string, unknown][]).sort(byKey)
}

/** Devices come and go, up and down, and get NAPI by GRO: in bursts. */
async function change(netns: NetnsHandle, random: Random): Promise<void> {
  let made = 0
  for (let burst = 0; burst < often(15, 2); burst++) {
    for (let i = 0; i < 40; i++) {
      const links = listLinks({ netns, fields: ['name'] }).filter(({ name }) => name !== 'lo')
      if (links.length < 4 || (links.length < 30 && random.chance(0.2))) {
        createVethPair({ name: `a${++made}`, netns, peer: `b${made}` })
        continue
      }
      const one = device(random.pick(links).name, { netns })
      const chosen = random.next()
      if (chosen < 0.05) one.delete()
      else if (chosen < 0.3) one.up()
      else if (chosen < 0.35) one.down()
      else one.setFeature('gro', random.chance(0.7))
    }
    await sleep(random.chance(0.5) ? 0 : 5)
  }
}

/** A struct genlmsghdr, and attributes. */
function genericMessage(command: number, write: (writer: Writer) => void): DataView {
  const writer = new Writer()
  writer.u8(command)
  writer.u8(1)
  writer.zeros(2)
  write(writer)
  const bytes = writer.bytes()
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

function writeNumbers(writer: Writer, attributes: Record<number, number>): void {
  for (const [type, value] of Object.entries(attributes)) {
    writer.attribute(Number(type), () => writer.u32(value))
  }
}
