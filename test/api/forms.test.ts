import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as promiseForm from '../../src/index.ts'
import * as syncForm from '../../src/sync.ts'
import { needsRoot, ownNetns } from '../tools/netns.ts'
import { needsVethChannels } from '../tools/veth-channels.ts'
import { type Api, forms } from './forms.ts'

/** The modules as plain objects, to be walked through. */
const promises = { ...promiseForm }
const sync = { ...syncForm }

const CLASSES = [
  'Device',
  'XdpHandle',
  'RepairHandle',
  'NetnsHandle',
  'RedirectCounterHandle',
  'RedirectTraceHandle',
] as const

/** What goes on by itself: there is no synchronous form of that. */
const LIVE = ['watchFeatures', 'watchLinks', 'watchNetdev', 'watchVerdict']

test('both forms export the same names, but for what is live', () => {
  assert.deepEqual(Object.keys(promises).sort(), [...Object.keys(sync), ...LIVE].sort())
})

for (const name of CLASSES) {
  test(`${name} has the same methods in both forms, each with as many parameters`, () => {
    assert.deepEqual(shape(promises[name]), shape(sync[name]))
    assert.notEqual(promises[name], sync[name])
  })
}

test('what is no handle is one and the same in both forms', () => {
  const names = Object.keys(sync) as (keyof typeof sync)[]
  const own = names.filter(name => promises[name] !== sync[name])
  const functions = [
    'device',
    'listLinks',
    'forEachLink',
    'listVethPairs',
    'createVethPair',
    'createNetns',
    'countRedirects',
    'traceRedirects',
  ]
  assert.deepEqual(own.sort(), [...CLASSES, ...functions].sort())
})

test('promises are what the one form returns, and never what the other does', async () => {
  const [later, now] = [promises.device('lo').getLink(), sync.device('lo').getLink()]
  assert.ok(later instanceof Promise)
  assert.ok(now instanceof Object && !('then' in now))
  assert.deepEqual(withoutCounters(await later), withoutCounters(now))
})

test('the same scenario has the same results in both forms', { skip: needsRoot }, async t => {
  const results = []
  for (const [, api] of forms) results.push(await scenario(api, ownNetns(t).path))
  assert.deepEqual(results[0], results[1])
})

/** Everything that a session may do, and what it saw. */
async function scenario(api: Api, netns: string): Promise<unknown> {
  const address = '02:00:00:00:00:01'
  const [a, b] = await api.createVethPair({ name: 'a', netns, address, peer: { name: 'b', address } })
  const seen: unknown[] = [a, b, await a.getVethPeer(), await api.listVethPairs({ netns })]
  await a.up()
  await b.up()
  await b.setMtu(1400)
  seen.push(
    await b.setFeature('gro', true),
    await b.getFeatures(),
    needsVethChannels || (await b.getChannels()),
  )
  const verdict = await a.explainRedirect()
  seen.push(verdict.delivers, verdict.code, verdict.checks.length)
  const attached = await a.attachXdp(api.xdpPass())
  seen.push((await a.getXdp()).mode)
  await attached.detach()
  seen.push(await a.getXdp(), (await api.listLinks({ netns })).map(withoutCounters))
  await a.down() // before Linux 6.2 one that is up keeps its name
  seen.push(await (await a.rename('c')).getVethPeer())
  await b.delete()
  seen.push(await api.listVethPairs({ netns }))
  return JSON.parse(JSON.stringify(seen, plain).replaceAll(netns, 'netns'))
}

/** JSON has no bigint. */
function plain(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}` : value
}

function withoutCounters(link: promiseForm.Link): object {
  const { name, index, mtu, address, flags, kind, numRxQueues, numTxQueues } = link
  return { name, index, mtu, address, flags, kind, numRxQueues, numTxQueues }
}

function shape({ prototype }: { prototype: object }): Record<string, number | string> {
  const names = Object.getOwnPropertyNames(prototype).sort()
  return Object.fromEntries(
    names.map(name => {
      const { value } = Object.getOwnPropertyDescriptor(prototype, name)!
      return [name, typeof value === 'function' ? value.length : 'accessor']
    }),
  )
}
