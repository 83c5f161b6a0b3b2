import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { type DeviceFeatures, type FeaturesEvent, watchFeatures } from '../../src/index.ts'
import {
  createNetns,
  createVethPair,
  type Device,
  device,
  FeatureError,
  type Features,
  listLinks,
  type NetnsHandle,
} from '../../src/sync.ts'
import { testInPrivate } from '../api/again.ts'
import { inNetns, needsRoot, ownNetns } from '../tools/netns.ts'
import { often } from '../tools/this-run.ts'
import { until } from '../tools/until.ts'
import { Random } from '../walk/random.ts'

/** The next event, which must be one of these. */
async function expect(watch: AsyncIterator<FeaturesEvent>, ...types: FeaturesEvent['type'][]) {
  const { value } = await watch.next()
  assert.ok(types.includes(value.type), value.type)
  return value
}

describe('the features of devices', { skip: needsRoot }, () => {
  test(
    'are told when they change, with what they were',
    inNetns(async netns => {
      const watch = watchFeatures({ netns, signal: AbortSignal.timeout(60_000) })
      assert.equal((await expect(watch, 'added')).device.name, 'lo')
      const [a] = createVethPair({ name: 'va', netns, peer: 'vb' })
      const both = [await expect(watch, 'added'), await expect(watch, 'added')]
      assert.deepEqual(both.map(event => event.device.name).sort(), ['va', 'vb'])
      const { index } = a.getLink()

      const gro = a.getFeatures().gro.active
      a.setFeature('gro', !gro)
      const changed = await expect(watch, 'changed')
      assert.deepEqual(changed.fields, ['rx-gro'])
      const { device: now, old } = changed as Extract<FeaturesEvent, { type: 'changed' }>
      assert.deepEqual([now.index, now.name, now.netns?.inode], [index, 'va', netns.inode])
      assert.deepEqual([old.features.gro.active, now.features.gro.active], [gro, !gro])
      assert.deepEqual({ ...now.features }, { ...a.getFeatures() })

      a.rename('vc')
      const renamed = await expect(watch, 'changed')
      assert.deepEqual([renamed.fields, renamed.device.name], [['name'], 'vc'])

      device('vb', { netns }).delete()
      const gone = [await expect(watch, 'removed'), await expect(watch, 'removed')]
      assert.deepEqual(gone.map(event => event.device.name).sort(), ['vb', 'vc'])
      await watch.return?.()
    }),
  )

  test('of several namespaces are told with where they are; what comes elsewhere is not', async t => {
    const [one, two, three] = [ownNetns(t), createNetns(), ownNetns(t)]
    const watch = watchFeatures({ netns: [one, two], signal: AbortSignal.timeout(60_000) })
    const places = [await expect(watch, 'added'), await expect(watch, 'added')].map(({ device }) => device)
    assert.deepEqual(
      places.map(({ netns }) => netns?.inode),
      [one.inode, two.inode],
    )
    createVethPair({ name: 'vx', netns: three, peer: 'vy' })[0].setFeature('gro', true)
    const [a] = createVethPair({ name: 'va', netns: one, peer: { name: 'vb', netns: two } })
    const ends = [await expect(watch, 'added'), await expect(watch, 'added')].map(({ device }) => device)
    assert.deepEqual(ends.map(({ name, netns }) => `${name} ${netns?.inode}`).sort(), [
      `va ${one.inode}`,
      `vb ${two.inode}`,
    ])
    a.setFeature('gro', !a.getFeatures().gro.active) // which 5.10 has on from the beginning
    const { device: changed } = await expect(watch, 'changed')
    assert.deepEqual(
      [changed.name, changed.netnsId, changed.netns],
      ['va', places[0]!.netnsId, places[0]!.netns],
    )
    // With a namespace its devices go, and their peers; none is kept alive.
    two.remove()
    const gone = [
      await expect(watch, 'removed'),
      await expect(watch, 'removed'),
      await expect(watch, 'removed'),
    ]
    assert.deepEqual(gone.map(({ device }) => device.name).sort(), ['lo', 'va', 'vb'])
    await watch.return?.()
  })

  for (const seed of [1, 2, 3]) {
    test(
      `in the end are as if asked for, though messages are lost: seed ${seed}`,
      inNetns(async netns => {
        const known = new Map<number, DeviceFeatures>()
        let losses = 0
        const controller = new AbortController()
        const consumer = (async () => {
          for await (const event of watchFeatures({ netns, receiveBuffer: 1, signal: controller.signal })) {
            if (event.type === 'resync') losses += event.losses
            else if (event.type === 'removed') assert.ok(known.delete(event.device.index))
            else known.set(event.device.index, event.device)
          }
        })()
        await change(netns, new Random(seed))
        await until(() => isAsAsked(known, netns))
        assert.ok(losses >= often(1, 0)) // an emulated kernel is too slow to lose any
        controller.abort()
        await assert.rejects(consumer, { name: 'AbortError' })
      }),
    )
  }
})

const FEATURES = ['gro', 'tso', 'gso', 'sg', 'rxvlan', 'tx-nocache-copy']

/** Devices come and go, are renamed, and their features switched: in bursts. */
async function change(netns: NetnsHandle, random: Random): Promise<void> {
  let made = 0
  for (let burst = 0; burst < often(20, 2); burst++) {
    for (let i = 0; i < 100; i++) {
      const links = listLinks({ netns, fields: ['name'] }).filter(({ name }) => name !== 'lo')
      if (links.length < 4 || (links.length < 30 && random.chance(0.1))) {
        createVethPair({ name: `a${++made}`, netns, peer: `b${made}` })
        continue
      }
      const one = device(random.pick(links).name, { netns })
      const chosen = random.next()
      if (chosen < 0.05) one.delete()
      else if (chosen < 0.1) one.rename(`r${++made}`)
      else wish(one, random.pick(FEATURES), random.chance(0.5))
    }
    await sleep(random.chance(0.5) ? 0 : 5)
  }
}

/** Features depend on each other: it may have no effect. */
function wish(one: Device, feature: string, on: boolean): void {
  try {
    one.setFeature(feature, on)
  } catch (error) {
    if (!(error instanceof FeatureError)) throw error
  }
}

function isAsAsked(known: ReadonlyMap<number, DeviceFeatures>, netns: NetnsHandle): boolean {
  const links = listLinks({ netns, fields: ['name', 'index'] })
  return (
    links.length === known.size &&
    links.every(({ name, index }) => {
      const mine = known.get(index)
      const asked = device(index, { netns }).getFeatures()
      return mine?.name === name && isDeepStrictEqual(told(mine.features), told(asked))
    })
  )
}

/** A wish that has no effect is not told. */
function told(features: Features): [name: string, active: boolean, fixed: boolean][] {
  return Object.entries(features).map(([name, { active, fixed }]) => [name, active, fixed])
}

testInPrivate("'all' has the features of namespaces that come, until they go", async () => {
  const watch = watchFeatures({ netns: 'all', signal: AbortSignal.timeout(60_000) })
  assert.equal((await expect(watch, 'added')).device.netnsId, null)
  const later = createNetns('later')
  const { device: lo } = await expect(watch, 'added')
  assert.deepEqual([lo.name, lo.netns?.path, lo.netns?.inode], ['lo', '/run/netns/later', later.inode])
  const [a] = createVethPair({ name: 'va', netns: later, peer: 'vb' })
  await expect(watch, 'added')
  await expect(watch, 'added')
  a.setFeature('gro', !a.getFeatures().gro.active)
  assert.deepEqual((await expect(watch, 'changed')).device.name, 'va')
  later.remove()
  for (let i = 0; i < 3; i++) assert.equal((await expect(watch, 'removed')).device.netnsId, lo.netnsId)
  await watch.return?.()
})
