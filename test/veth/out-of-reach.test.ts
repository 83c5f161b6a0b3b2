import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createVethPair, type Device, device, xdpPass } from '../../src/sync.ts'
import { readNapiFromMemory } from '../../src/veth/napi-memory.ts'
import { kernelHas } from '../tools/kernel-needs.ts'
import { needsRoot, ownNetns } from '../tools/netns.ts'
import { real } from '../tools/real.ts'
import { netnsHeldElsewhere } from './children.ts'

/** A redirect whose target's peer is in a namespace to which no name, process or thread leads. */

const quiet = { up: true, addrGenMode: 'none' } as const

/** The target, in our namespace, and the peer by the way that only this test knows. */
async function pairAcross(t: TestContext): Promise<{ T: Device; P: Device }> {
  const there = await netnsHeldElsewhere(t)
  const netns = ownNetns(t)
  const [T] = createVethPair({ name: 'T', netns, ...quiet, peer: { name: 'P', netns: there, ...quiet } })
  return { T, P: device('P', { netns: there }) }
}

function canSeeMemory(T: Device): boolean {
  return !('unavailable' in real(readNapiFromMemory({ netns: T.netns, device: T.getLink().index })))
}

test('its NAPI is seen in memory, and the verdict is as certain as any', { skip: needsRoot }, async t => {
  const { T, P } = await pairAcross(t)
  if (!kernelHas(5, 13)) {
    // GRO says nothing there, so that the peer's link is enough.
    assert.deepEqual([T.explainRedirect().delivers, T.explainRedirect().code], [false, 'ENXIO'])
    return
  }
  assert.equal(canSeeMemory(T), true, 'this kernel has BTF of veth')
  const before = T.explainRedirect()
  assert.deepEqual([before.delivers, before.code], [false, kernelHas(6, 3) ? 'EOPNOTSUPP' : 'ENXIO'])
  assert.match(
    JSON.stringify(before.checks),
    /read in the kernel's memory, where its BTF says: NAPI on 0 of 1/,
  )
  assert.match(before.summary, /its peer P in a netns out of reach has no NAPI/)
  assert.deepEqual(before.repairs, [], 'what cannot be reached cannot be repaired from here')
  P.setFeature('gro', true)
  const after = T.explainRedirect()
  assert.deepEqual([after.delivers, after.code], [true, null])
  assert.match(after.summary, /will arrive at P in a netns out of reach/)
})

test('its link alone decides where it can', { skip: needsRoot }, async t => {
  const { T, P } = await pairAcross(t)
  P.attachXdp(xdpPass())
  assert.equal(T.explainRedirect().delivers, true)
  P.down()
  assert.deepEqual([T.explainRedirect().delivers, T.explainRedirect().code], [false, 'ENXIO'])
  assert.equal(T.explainRedirect({ mode: 'generic' }).delivers, false)
  P.up()
  assert.equal(T.explainRedirect({ mode: 'generic' }).delivers, true)
  P.setMtu(100)
  const { delivers, code } = T.explainRedirect({ frameSize: 200 })
  assert.deepEqual([delivers, code], [false, null])
})
