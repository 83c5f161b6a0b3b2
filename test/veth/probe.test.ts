import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import * as promises from '../../src/index.ts'
import {
  type AttachOptions,
  createVethPair,
  type Device,
  device,
  listLinks,
  type ProbeOptions,
  type ProbeResult,
  xdpPass,
} from '../../src/sync.ts'
import { kernelHas, needsGroNapi, needsLiveFrames } from '../tools/kernel-needs.ts'
import { needsRoot, ownNetns } from '../tools/netns.ts'

const root = { skip: needsRoot }
const REDIRECT_ERR = 'xdp:xdp_redirect_err'
const DEVMAP_XMIT = 'xdp:xdp_devmap_xmit'

interface Pair {
  readonly T: Device
  readonly P: Device
  /** Attaches a program to P until the test ends. */
  readonly attach: (options?: AttachOptions) => void
}

/** The ends of a pair in two namespaces, both up and silent. */
function pairIn(t: TestContext): Pair {
  const quiet = { up: true, addrGenMode: 'none' } as const
  const [T, P] = createVethPair({
    name: 'T',
    netns: ownNetns(t),
    ...quiet,
    peer: { name: 'P', netns: ownNetns(t), ...quiet },
  })
  return { T, P, attach: options => attachTo(t, P, options) }
}

/** 'process': before Linux 5.11 a program takes of the memory that a probe needs. */
function attachTo(t: TestContext, device: Device, options?: AttachOptions): void {
  const program = device.attachXdp(xdpPass(), { ...options, lifetime: 'process' })
  t.after(() => program.detach())
}

type Outcome = readonly [delivered: number, code: string | null, where: string | null]

const ARRIVE: Outcome = [64, null, null]
const VANISH: Outcome = [0, null, null]
const NO_NAPI: Outcome = kernelHas(6, 3) ? [0, 'EOPNOTSUPP', REDIRECT_ERR] : [0, 'ENXIO', DEVMAP_XMIT]
const REFUSED_BY_VETH: Outcome = [0, 'ENXIO', DEVMAP_XMIT]
const TARGET_DOWN: Outcome = [0, 'ENETDOWN', REDIRECT_ERR]
const TOO_LONG: Outcome = [0, 'EMSGSIZE', REDIRECT_ERR]

/** What was done to a fresh pair, the frames' size, and what becomes of them in native and in generic mode. */
const SCENES: readonly (readonly [
  name: string,
  (pair: Pair) => void,
  size: number,
  native: Outcome,
  generic: Outcome,
])[] = [
  ['a fresh pair', () => {}, 64, NO_NAPI, ARRIVE],
  ['GRO at the peer', ({ P }) => P.setFeature('gro', true), 64, kernelHas(5, 13) ? ARRIVE : NO_NAPI, ARRIVE],
  ['a native program at the peer', ({ attach }) => attach(), 64, ARRIVE, ARRIVE],
  ['a generic program at the peer', ({ attach }) => attach({ mode: 'generic' }), 64, NO_NAPI, ARRIVE],
  [
    'the peer down',
    ({ P, attach }) => {
      attach()
      P.down()
    },
    64,
    REFUSED_BY_VETH,
    VANISH,
  ],
  [
    'the target down',
    ({ T, attach }) => {
      attach()
      T.down()
    },
    64,
    TARGET_DOWN,
    TARGET_DOWN,
  ],
  ['the longest frame for the target', ({ attach }) => attach(), 1518, ARRIVE, ARRIVE],
  ['a frame too long for the target', ({ attach }) => attach(), 1519, TOO_LONG, TOO_LONG],
  [
    'a frame too long for the peer',
    ({ P, attach }) => {
      attach()
      P.setMtu(1000)
    },
    1019,
    VANISH,
    VANISH,
  ],
  ['the shortest frame', ({ attach }) => attach(), 14, ARRIVE, ARRIVE],
]

function outcome({ sent, delivered, code, where }: ProbeResult): Outcome {
  assert.equal(sent, 64)
  return [delivered, code, where]
}

for (const [name, prepare, size, native, generic] of SCENES) {
  test(`by a veth, ${name}`, root, t => {
    const pair = pairIn(t)
    prepare(pair)
    const probe = pair.T.probeRedirect({ size, by: 'veth' })
    assert.deepEqual(outcome(probe), native)
    assert.deepEqual([probe.by, probe.nsPerFrame], ['veth', null])
  })

  test(`by live frames, ${name}`, { skip: needsRoot || needsLiveFrames }, t => {
    const pair = pairIn(t)
    prepare(pair)
    const probe = pair.T.probeRedirect({ size, by: 'live frames' })
    assert.deepEqual(outcome(probe), native)
    assert.equal(probe.by, 'live frames')
    assert.ok(probe.nsPerFrame! > 0)
  })

  test(`in generic mode, ${name}`, root, t => {
    const pair = pairIn(t)
    prepare(pair)
    assert.deepEqual(outcome(pair.T.probeRedirect({ size, mode: 'generic' })), generic)
  })
}

test('live frames are preferred where they will do', root, t => {
  const { T } = pairIn(t)
  const by = (options: ProbeOptions) => T.probeRedirect({ frames: 1, ...options }).by
  assert.equal(by({}), kernelHas(5, 18) ? 'live frames' : 'veth')
  assert.equal(by({ size: 2800 }), kernelHas(5, 18) ? 'live frames' : 'veth')
  assert.equal(by({ mode: 'generic' }), 'veth')
  assert.equal(by({ size: 2801 }), 'veth')
  assert.equal(by({ size: 3500 }), 'veth')
})

test('frames in several buffers arrive where the veth takes them', {
  skip: needsRoot || (kernelHas(6, 3) ? false : 'needs redirects of several buffers, Linux 6.3'),
}, t => {
  const { T, P } = pairIn(t)
  for (const end of [T, P]) end.setMtu(65535)
  assert.deepEqual(outcome(T.probeRedirect({ size: 5000 })), NO_NAPI)
  P.setFeature('gro', true)
  for (const size of [3600, 5000, 65517]) assert.deepEqual(outcome(T.probeRedirect({ size })), ARRIVE)
  T.setMtu(9000)
  assert.deepEqual(outcome(T.probeRedirect({ size: 9018 })), ARRIVE)
  assert.deepEqual(outcome(T.probeRedirect({ size: 9019 })), TOO_LONG)
})

test('frames in several buffers, before they can be redirected', {
  skip: needsRoot || needsGroNapi || (kernelHas(6, 3) ? 'they can, here' : false),
}, t => {
  const { T, P } = pairIn(t)
  for (const end of [T, P]) end.setMtu(9000)
  P.setFeature('gro', true)
  const probe = () => T.probeRedirect({ size: 5000 })
  if (kernelHas(5, 18)) assert.deepEqual(outcome(probe()), VANISH)
  else assert.throws(probe, { code: 'ERR_VETH_NL_UNSUPPORTED', since: '5.18' })
})

test('long frames arrive in generic mode', root, t => {
  const { T, P } = pairIn(t)
  for (const end of [T, P]) end.setMtu(65535)
  assert.deepEqual(outcome(T.probeRedirect({ size: 65517, mode: 'generic' })), ARRIVE)
})

for (const mode of ['native', 'generic'] as const) {
  test(`a thousand frames by a veth all arrive, in ${mode} mode`, root, t => {
    const { T, P, attach } = pairIn(t)
    attach()
    const { sent, delivered } = T.probeRedirect({ frames: 1000, mode, by: 'veth' })
    assert.deepEqual([sent, delivered], [1000, 1000])
    assert.equal(P.getLink().stats?.rxPackets, 1000n, 'exactly ours, with nothing that IPv6 says beside them')
  })
}

for (const by of ['live frames', 'veth'] as const) {
  test(`probes at once count each their own, by ${by}`, {
    skip: needsRoot || (by === 'live frames' && needsLiveFrames),
  }, async t => {
    const [here, there] = [ownNetns(t), ownNetns(t)]
    const targets = ['a', 'b', 'c'].map(name => {
      const [, P] = createVethPair({ name, netns: here, up: true, peer: { name, netns: there, up: true } })
      if (name !== 'b') attachTo(t, P)
      return promises.device(name, { netns: here })
    })
    const frames = [150, 90, 40]
    const probes = await Promise.all(
      targets.map((target, i) => target.probeRedirect({ frames: frames[i]!, by })),
    )
    assert.deepEqual(
      probes.map(({ sent, delivered }) => [sent, delivered]),
      [
        [150, 150],
        [90, 0],
        [40, 40],
      ],
    )
    for (const [i, { outcomes }] of probes.entries()) {
      assert.equal(
        outcomes.reduce((sum, { accepted, refused }) => sum + accepted + refused, 0),
        frames[i],
      )
    }
  })

  test(`what others redirect meanwhile is not counted, by ${by}`, {
    skip: needsRoot || (by === 'live frames' && needsLiveFrames),
  }, async t => {
    const { T, attach } = pairIn(t)
    attach()
    const other = promises.device(T.getLink().index, { netns: T.netns })
    const long = other.probeRedirect({ frames: 3000, by: 'veth' })
    const probe = await promises.device('T', { netns: T.netns }).probeRedirect({ frames: 100, by })
    assert.equal(
      probe.outcomes.reduce((sum, { accepted }) => sum + accepted, 0),
      100,
    )
    assert.equal(probe.delivered, 100)
    assert.equal((await long).delivered, 3000)
  })
}

test('what others send meanwhile does not pass for what generic mode has lost', root, async t => {
  const { T, P } = pairIn(t)
  P.setMtu(1000)
  const target = promises.device('T', { netns: T.netns })
  const others = target.probeRedirect({ frames: 3000, mode: 'generic' })
  while (P.getLink().stats?.rxPackets === 0n) await sleep(1)
  const { delivered } = await target.probeRedirect({ size: 1019, mode: 'generic' })
  assert.equal(delivered, 0)
  assert.ok((await others).delivered > 0)
})

test('nothing is changed in the namespaces of the veth', root, t => {
  const { T, P } = pairIn(t)
  const look = () =>
    [T, P].map(({ netns }) =>
      listLinks({ netns }).map(({ index, name, mtu, up, xdp }) => [index, name, mtu, up, xdp?.mode]),
    )
  const before = look()
  for (const options of [{}, { by: 'veth' }, { mode: 'generic', size: 9000 }] as const) {
    T.probeRedirect(options)
    assert.deepEqual(look(), before)
  }
})

test('what cannot be meant is refused before anything is done', () => {
  const lo = device('lo')
  const wrong: readonly (readonly [ProbeOptions, RegExp])[] = [
    [{ frames: 0 }, /frames must be an integer from 1 to 1000000, not 0/],
    [{ frames: 1_000_001 }, /frames must be/],
    [{ size: 13 }, /size must be an integer from 14 to 65517, not 13/],
    [{ size: 65518 }, /size must be/],
    [{ size: 60.5 }, /size must be/],
    [{ size: 2801, by: 'live frames' }, /size must be an integer from 14 to 2800/],
    [{ mode: 'skb' as never }, /mode must be 'native' or 'generic', not 'skb'/],
    [{ by: 'pktgen' as never }, /by must be 'live frames' or 'veth', not 'pktgen'/],
    [{ by: 'live frames', mode: 'generic' }, /native mode only/],
  ]
  for (const [options, message] of wrong) assert.throws(() => lo.probeRedirect(options), { message })
})

test('a device that is no veth has no peer to count at', root, t => {
  const lo = device('lo', { netns: ownNetns(t) })
  for (const by of ['live frames', 'veth'] as const) {
    assert.throws(() => lo.probeRedirect({ by }), { name: 'PeerError', code: 'ERR_VETH_NL_NOT_VETH' })
  }
})
