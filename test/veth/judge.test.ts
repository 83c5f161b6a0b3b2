import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Link, LinkInfo } from '../../src/rtnetlink/link.ts'
import { XdpState } from '../../src/rtnetlink/xdp-state.ts'
import type { PeerFacts, RedirectFacts } from '../../src/veth/facts.ts'
import { judge } from '../../src/veth/judge.ts'
import { hasNapi } from '../../src/veth/napi-rule.ts'
import { PeerError } from '../../src/veth/peer-error.ts'
import type { Check, Verdict } from '../../src/veth/verdict.ts'
import { type Netns, OWN_NETNS } from '../../src/wire/netns.ts'

const IFF_UP = 1
const FRAME = 64

function veth(fields: Partial<Link> = {}): Link {
  const linkinfo = Object.assign(new LinkInfo(), { kind: 'veth' })
  return Object.assign(new Link(), { name: 'vt', index: 7, mtu: 1500, flags: IFF_UP, linkinfo, ...fields })
}

/** A peer as it is when GRO is on; each test says what is otherwise. */
function peer(fields: Partial<PeerFacts> = {}, link: Partial<Link> = {}): PeerFacts {
  const gro = { active: true, wanted: true, fixed: false }
  return { netns: OWN_NETNS, link: veth({ name: 'vp', index: 8, ...link }), gro, napi: 1, ...fields }
}

/** A redirect on Linux 6.18 that arrives; each test says what is otherwise. */
function facts(fields: Partial<RedirectFacts> = {}, link: Partial<Link> = {}): RedirectFacts {
  return {
    release: '6.18.44',
    pid: 4711,
    target: { netns: OWN_NETNS, link: veth(link) },
    targetXdpFeatures: ['basic', 'redirect', 'ndo-xmit', 'rx-sg', 'ndo-xmit-sg'],
    peer: peer(),
    unreachable: null,
    ...fields,
  }
}

const OFF = { active: false, wanted: false, fixed: false }
const NO_BIT = ['basic', 'redirect', 'rx-sg'] as const
const withoutGro = (link: Partial<Link> = {}) => peer({ gro: OFF, napi: 0 }, link)

function check(verdict: Verdict, name: Check['name']): Check {
  const found = verdict.checks.find(one => one.name === name)
  assert.ok(found !== undefined, `there is a check '${name}'`)
  return found
}

const failing = ({ checks }: Verdict) => checks.filter(({ ok }) => ok === false).map(({ name }) => name)
const actions = ({ repairs }: Verdict) => repairs.map(({ action }) => action)
const where = (verdict: Verdict) => [verdict.where?.function, verdict.where?.tracepoint]

test('a redirect at which nothing is wrong arrives, and nothing is to be repaired', () => {
  const verdict = judge(facts(), FRAME)
  assert.deepEqual([verdict.delivers, verdict.code, verdict.where, verdict.repairs], [true, null, null, []])
  assert.equal(verdict.summary, 'A native-mode redirect into vt will arrive at vp in this netns.')
})

describe('what the kernel comes to first gives the code', () => {
  test('a missing ndo-xmit bit is EOPNOTSUPP', () => {
    const verdict = judge(facts({ targetXdpFeatures: NO_BIT, peer: withoutGro() }), FRAME)
    assert.deepEqual([verdict.delivers, verdict.code], [false, 'EOPNOTSUPP'])
    assert.deepEqual(where(verdict), ['__xdp_enqueue', 'xdp:xdp_redirect_err'])
    assert.deepEqual(failing(verdict), ['takes redirects', 'peer NAPI'])
  })

  test('a target that is down is ENETDOWN', () => {
    const verdict = judge(facts({}, { flags: 0 }), FRAME)
    assert.deepEqual([verdict.delivers, verdict.code], [false, 'ENETDOWN'])
    assert.deepEqual(where(verdict), ['xdp_ok_fwd_dev', 'xdp:xdp_redirect_err'])
  })

  test('a frame too long for the target is EMSGSIZE', () => {
    assert.equal(judge(facts(), 1518).delivers, true)
    const verdict = judge(facts(), 1519)
    assert.deepEqual([verdict.delivers, verdict.code], [false, 'EMSGSIZE'])
    assert.deepEqual(where(verdict), ['xdp_ok_fwd_dev', 'xdp:xdp_redirect_err'])
    assert.deepEqual(verdict.repairs, [])
  })

  test('a peer that is down is ENXIO', () => {
    const verdict = judge(facts({ peer: peer({ napi: 0 }, { flags: 0 }) }), FRAME)
    assert.deepEqual([verdict.delivers, verdict.code], [false, 'ENXIO'])
    assert.deepEqual(where(verdict), ['veth_xdp_xmit', 'xdp:xdp_devmap_xmit'])
    assert.match(verdict.summary, /its peer vp is down/)
  })

  test('a peer without NAPI is ENXIO where the bit is stale', () => {
    const verdict = judge(facts({ peer: withoutGro() }), FRAME)
    assert.deepEqual([verdict.delivers, verdict.code], [false, 'ENXIO'])
    assert.deepEqual(where(verdict), ['veth_xdp_xmit', 'xdp:xdp_devmap_xmit'])
  })

  test('a frame too long for the peer is dropped without an errno', () => {
    const short = facts({ peer: peer({}, { mtu: 1000 }) })
    assert.equal(judge(short, 1018).delivers, true)
    const verdict = judge(short, 1019)
    assert.deepEqual([verdict.delivers, verdict.code], [false, null])
    assert.deepEqual(where(verdict), ['veth_xdp_xmit', 'xdp:xdp_devmap_xmit'])
    assert.match(verdict.summary, /veth_xdp_xmit drops it without an error/)
  })

  test('of all that is wrong each check tells, in the order of the kernel', () => {
    const everything = facts(
      { targetXdpFeatures: [], peer: withoutGro({ flags: 0, mtu: 100 }) },
      { flags: 0, mtu: 100 },
    )
    const order = [
      ['takes redirects', 'EOPNOTSUPP'],
      ['target up', 'ENETDOWN'],
      ['frame fits target', 'EMSGSIZE'],
      ['peer up', 'ENXIO'],
      ['peer NAPI', 'ENXIO'],
      ['frame fits peer', null],
    ] as const
    assert.deepEqual(
      failing(judge(everything, 1519)),
      order.map(([name]) => name),
    )
    const mended: ((from: RedirectFacts) => RedirectFacts)[] = [
      from => ({ ...from, targetXdpFeatures: ['ndo-xmit'] }),
      from => ({ ...from, target: { ...from.target, link: veth({ mtu: 100 }) } }),
      from => ({ ...from, target: { ...from.target, link: veth({ mtu: 9000 }) } }),
      from => ({ ...from, peer: withoutGro({ mtu: 100 }) }),
      from => ({ ...from, peer: peer({}, { mtu: 100 }) }),
    ]
    let now = everything
    for (const [i, [name, code]] of order.entries()) {
      const verdict = judge(now, 1519)
      assert.deepEqual([failing(verdict)[0], verdict.code, verdict.delivers], [name, code, false])
      now = mended[i]?.(now) ?? now
    }
  })
})

describe('NAPI of the peer', () => {
  test('is what napi-get tells, whatever the features say', () => {
    assert.equal(hasNapi('6.18.0', peer({ napi: 2, gro: OFF })), true)
    assert.equal(hasNapi('6.18.0', peer({ napi: 0 })), false)
    assert.match(check(judge(facts(), FRAME), 'peer NAPI').evidence, /^NETDEV_CMD_NAPI_GET: 1 instance/)
  })

  test('is inferred before napi-get, and the evidence says so', () => {
    const before = facts({ release: '6.1.176', targetXdpFeatures: null, peer: peer({ napi: null }) })
    const verdict = judge(before, FRAME)
    assert.equal(verdict.delivers, true)
    assert.match(
      check(verdict, 'peer NAPI').evidence,
      /^inferred, as this kernel has no napi-get: from 5\.13 on/,
    )
  })

  for (const [release, groStarts] of [
    ['5.10.223', false],
    ['5.12.19', false],
    ['5.13.0-rc1', true],
    ['5.15.0-91-generic', true],
    ['6.1.176', true],
    ['10.0', true],
  ] as const) {
    test(`is ${groStarts ? '' : 'not '}started by GRO on ${release}`, () => {
      assert.equal(hasNapi(release, peer({ napi: null })), groStarts)
      const old = facts({ release, targetXdpFeatures: null, peer: peer({ napi: null }) })
      assert.equal(judge(old, FRAME).code, groStarts ? null : 'ENXIO')
    })
  }

  test('is started by a native program on every kernel, while the peer is up', () => {
    const xdp = Object.assign(new XdpState(), { mode: 'native', programId: 5, nativeProgramId: 5 })
    const withProgram = (link: Partial<Link>) => peer({ napi: null, gro: OFF }, { xdp, ...link })
    assert.equal(hasNapi('5.10.223', withProgram({})), true)
    assert.equal(hasNapi('5.10.223', withProgram({ flags: 0 })), false)
    const verdict = judge(
      facts({ release: '5.10.223', targetXdpFeatures: null, peer: withProgram({}) }),
      FRAME,
    )
    assert.deepEqual([verdict.delivers, check(verdict, 'peer native program').value], [true, true])
  })

  test('is not started by a generic program', () => {
    const xdp = Object.assign(new XdpState(), { mode: 'generic', programId: 5, genericProgramId: 5 })
    const verdict = judge(facts({ peer: peer({ napi: null, gro: OFF }, { xdp }) }), FRAME)
    assert.deepEqual([verdict.delivers, check(verdict, 'peer native program').value], [false, false])
  })

  test('is looked at in wanted GRO, not in active', () => {
    assert.equal(hasNapi('6.1.0', peer({ napi: null, gro: { ...OFF, wanted: true } })), true)
    assert.equal(hasNapi('6.1.0', peer({ napi: null, gro: { ...OFF, active: true } })), false)
  })
})

describe('what cannot be told', () => {
  test('without a netdev family the bit decides nothing', () => {
    const verdict = judge(facts({ release: '6.1.176', targetXdpFeatures: null, peer: withoutGro() }), FRAME)
    const { ok, value, evidence } = check(verdict, 'takes redirects')
    assert.deepEqual([ok, value], [null, null])
    assert.match(evidence, /no netdev family/)
    assert.deepEqual([verdict.delivers, verdict.code], [false, 'ENXIO'])
  })

  test('a peer out of reach leaves the verdict open, with the reason', () => {
    const ref = { netns: OWN_NETNS, device: 'vt' }
    const unreachable = new PeerError('ERR_VETH_NL_PEER_UNREACHABLE', ref, 'its peer is nowhere in sight')
    const verdict = judge(facts({ peer: null, unreachable }), FRAME)
    assert.deepEqual([verdict.delivers, verdict.code, verdict.where, verdict.repairs], [null, null, null, []])
    assert.equal(check(verdict, 'peer reached').evidence, 'its peer is nowhere in sight')
    assert.match(verdict.summary, /cannot be told: its peer is nowhere in sight/)
  })

  test('what fails before a peer out of reach fails all the same', () => {
    const verdict = judge(facts({ peer: null }, { flags: 0 }), FRAME)
    assert.deepEqual([verdict.delivers, verdict.code], [false, 'ENETDOWN'])
  })

  for (const [kind, words] of [
    ['', 'no link kind'],
    ['bridge', 'bridge'],
  ] as const) {
    test(`a target of kind '${kind}' is not judged`, () => {
      const verdict = judge(
        facts({ peer: null }, { linkinfo: Object.assign(new LinkInfo(), { kind }) }),
        FRAME,
      )
      assert.deepEqual([verdict.delivers, verdict.code, verdict.repairs], [null, null, []])
      assert.deepEqual(
        verdict.checks.map(({ name, value }) => [name, value]),
        [['kind', words]],
      )
      assert.match(verdict.summary, /vt in this netns is not a veth/)
    })
  }
})

describe('repairs', () => {
  test('switch GRO on at the peer, never at the target', () => {
    const { repairs } = judge(facts({ targetXdpFeatures: NO_BIT, peer: withoutGro() }), FRAME)
    assert.deepEqual(repairs, [
      { action: 'gro on', device: 'vp', netns: 'this netns', command: 'ethtool -K vp gro on' },
    ])
  })

  test('bring the ends up before they turn to GRO', () => {
    const down = facts({ targetXdpFeatures: NO_BIT, peer: withoutGro({ flags: 0 }) }, { flags: 0 })
    const verdict = judge(down, FRAME)
    assert.deepEqual(actions(verdict), ['target up', 'peer up', 'gro on'])
    const lines = verdict.repairs.map(({ command }) => command)
    const expected = ['ip link set dev vt up', 'ip link set dev vp up', 'ethtool -K vp gro on']
    assert.deepEqual(lines, expected)
    assert.ok(verdict.summary.endsWith(`To repair it: ${expected.join('; ')}`))
  })

  test('switch GRO off and on where it is wanted and the bit was left behind', () => {
    const verdict = judge(facts({ targetXdpFeatures: NO_BIT }), FRAME)
    assert.deepEqual([verdict.code, actions(verdict)], ['EOPNOTSUPP', ['gro off and on']])
    assert.equal(verdict.repairs[0]?.command, 'ethtool -K vp gro off; ethtool -K vp gro on')
  })

  test('only bring the peer up where GRO is wanted and the bit is there', () => {
    const verdict = judge(facts({ peer: peer({ napi: 0 }, { flags: 0 }) }), FRAME)
    assert.deepEqual(actions(verdict), ['peer up'])
  })

  test('are none for a frame that is too long', () => {
    assert.deepEqual(judge(facts(), 1519).repairs, [])
    assert.deepEqual(judge(facts({ peer: peer({}, { mtu: 100 }) }), 1000).repairs, [])
  })

  test('do not claim that GRO helps where it does not', () => {
    const old = facts({ release: '5.10.223', targetXdpFeatures: null, peer: peer({ napi: null, gro: OFF }) })
    assert.deepEqual(actions(judge(old, FRAME)), [])
  })

  for (const [netns, command] of [
    ['', 'ethtool -K vp gro on'],
    ['/run/netns/blue', 'ip netns exec blue ethtool -K vp gro on'],
    ['/proc/815/ns/net', 'nsenter -t 815 -n ethtool -K vp gro on'],
    ['/proc/self/fd/21', 'nsenter --net=/proc/4711/fd/21 ethtool -K vp gro on'],
    ['/srv/netns', 'nsenter --net=/srv/netns ethtool -K vp gro on'],
  ] as const) {
    test(`say what to type in a shell for a namespace at '${netns}'`, () => {
      const at: Netns = { path: netns, inode: null }
      const verdict = judge(facts({ peer: { ...withoutGro(), netns: at } }), FRAME)
      assert.deepEqual(
        verdict.repairs.map(repair => repair.command),
        [command],
      )
    })
  }
})

test('each check names its device and its namespace in words', () => {
  const elsewhere = facts({ peer: { ...peer(), netns: { path: '/run/netns/blue', inode: 1 } } })
  for (const { name, device, netns } of judge(elsewhere, FRAME).checks) {
    const atPeer = name.startsWith('peer ') || name === 'frame fits peer'
    assert.deepEqual([device, netns], atPeer ? ['vp', 'netns blue'] : ['vt', 'this netns'], name)
  }
})

describe('a target without the bit whose peer has NAPI', () => {
  test('is explained by the queues when it has no bits at all', () => {
    const verdict = judge(facts({ targetXdpFeatures: [] }), FRAME)
    assert.equal(verdict.code, 'EOPNOTSUPP')
    assert.match(verdict.summary, /no xdp-features at all, as when its peer has more tx queues/)
    assert.doesNotMatch(verdict.summary, /has no NAPI/)
  })

  test('is explained by the kernel not having looked again otherwise', () => {
    const { summary } = judge(facts({ targetXdpFeatures: NO_BIT }), FRAME)
    assert.match(summary, /lacks the xdp-feature ndo-xmit although its peer has NAPI/)
  })

  test('gets it by coming up, where it is down', () => {
    const verdict = judge(facts({ targetXdpFeatures: NO_BIT }, { flags: 0 }), FRAME)
    assert.deepEqual(actions(verdict), ['target up'])
  })
})

describe('nothing is proposed that would not help', () => {
  const withProgram = { xdp: Object.assign(new XdpState(), { mode: 'native', nativeProgramId: 1 }) }

  test('before 5.13, for a peer that is down and has no program', () => {
    const old = { release: '5.10.0', targetXdpFeatures: null }
    assert.deepEqual(actions(judge(facts({ ...old, peer: withoutGro({ flags: 0 }) }), FRAME)), [])
  })

  test('with a native program on the peer GRO is left alone', () => {
    const stale = facts({ targetXdpFeatures: NO_BIT, peer: peer({ gro: OFF }, withProgram) })
    assert.deepEqual(actions(judge(stale, FRAME)), [])
  })

  test('for a frame that is too long all the same', () => {
    const verdict = judge(facts({ targetXdpFeatures: NO_BIT, peer: withoutGro() }), 2000)
    assert.deepEqual(actions(verdict), [])
  })
})

test('a name with control characters is shown without them', () => {
  const verdict = judge(facts({ peer: withoutGro({ name: 'e\u001b[2J' }), targetXdpFeatures: NO_BIT }), FRAME)
  assert.match(verdict.summary, /e\\x1b\[2J/)
  assert.ok(!verdict.summary.includes('\u001b'))
})
