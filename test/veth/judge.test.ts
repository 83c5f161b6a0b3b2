import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { RedirectFacts } from '../../src/veth/facts.ts'
import { judge } from '../../src/veth/judge.ts'
import { hasNapi } from '../../src/veth/napi-rule.ts'
import { PeerError } from '../../src/veth/peer-error.ts'
import type { Verdict } from '../../src/veth/verdict.ts'
import { OWN_NETNS } from '../../src/wire/netns.ts'
import {
  check,
  end,
  facts,
  failing,
  NO_BIT,
  OFF,
  ofKind,
  oldFacts,
  peer,
  running,
  seen,
  target,
  withoutGro,
} from './given.ts'

const BY_ERR = 'xdp:xdp_redirect_err'
const BY_XMIT = 'xdp:xdp_devmap_xmit'

test('a redirect at which nothing is wrong arrives, and nothing is to be repaired', () => {
  const verdict = judge(facts())
  assert.deepEqual([verdict.delivers, verdict.code, verdict.where, verdict.repairs], [true, null, null, []])
  assert.equal(verdict.summary, 'A native-mode redirect into vt will arrive at vp in this netns.')
})

test('a program at the peer is named where the frame arrives', () => {
  const { summary } = judge(facts({ peer: peer({}, { xdp: running('native', 77) }) }))
  assert.match(summary, /arrive at vp in this netns, whose native program \(id 77\) gets it\.$/)
})

describe('what the kernel comes to first gives the code', () => {
  test('a missing ndo-xmit bit is EOPNOTSUPP', () => {
    const verdict = judge(facts({ target: target({ xdpFeatures: NO_BIT }), peer: withoutGro() }))
    assert.deepEqual(end(verdict), [false, 'EOPNOTSUPP', '__xdp_enqueue', BY_ERR])
    assert.deepEqual(failing(verdict), ['takes redirects', 'peer NAPI'])
  })

  test('a target that is down is ENETDOWN', () => {
    const verdict = judge(facts({ target: target({}, { flags: 0 }) }))
    assert.deepEqual(end(verdict), [false, 'ENETDOWN', 'xdp_ok_fwd_dev', BY_ERR])
  })

  test('a frame too long for the target is EMSGSIZE', () => {
    assert.equal(judge(facts({}, { frameSize: 1518 })).delivers, true)
    const verdict = judge(facts({}, { frameSize: 1519 }))
    assert.deepEqual(end(verdict), [false, 'EMSGSIZE', 'xdp_ok_fwd_dev', BY_ERR])
    assert.deepEqual(verdict.repairs, [])
  })

  test('a peer that is down is ENXIO', () => {
    const verdict = judge(facts({ peer: peer({ napi: seen(0) }, { flags: 0 }) }))
    assert.deepEqual(end(verdict), [false, 'ENXIO', 'veth_xdp_xmit', BY_XMIT])
    assert.match(verdict.summary, /its peer vp is down/)
    assert.match(verdict.summary, /tx_dropped of vt grows/)
  })

  test('a peer without NAPI is ENXIO where the bit is stale', () => {
    const verdict = judge(facts({ peer: withoutGro() }))
    assert.deepEqual(end(verdict), [false, 'ENXIO', 'veth_xdp_xmit', BY_XMIT])
  })

  test('a frame too long for the peer is dropped without an errno', () => {
    const short = { peer: peer({}, { mtu: 1000 }) }
    assert.equal(judge(facts(short, { frameSize: 1018 })).delivers, true)
    const verdict = judge(facts(short, { frameSize: 1019 }))
    assert.deepEqual(end(verdict), [false, null, 'veth_xdp_xmit', BY_XMIT])
    assert.match(verdict.summary, /veth_xdp_xmit drops it without an error/)
    assert.match(verdict.summary, /tx_queue_N_xdp_xmit_errors of vt grows/)
  })

  test('a target that is not there is EINVAL', () => {
    const verdict = judge(facts({ target: null, peer: null }))
    assert.deepEqual(end(verdict), [false, 'EINVAL', 'xdp_do_redirect', BY_ERR])
    assert.match(verdict.summary, /there is no vt in this netns/)
    const generic = judge(facts({ target: null, peer: null }, { mode: 'generic' }))
    assert.deepEqual(end(generic), [false, 'EINVAL', 'xdp_do_generic_redirect', BY_ERR])
  })

  test('of all that is wrong each check tells, in the order of the kernel', () => {
    const bad = { flags: 0, mtu: 100 }
    const everything = facts(
      { target: target({ xdpFeatures: [] }, bad), peer: withoutGro(bad) },
      { frameSize: 1519 },
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
      failing(judge(everything)),
      order.map(([name]) => name),
    )
    const mended: ((given: RedirectFacts) => RedirectFacts)[] = [
      given => ({ ...given, target: target({}, bad) }),
      given => ({ ...given, target: target({}, { mtu: 100 }) }),
      given => ({ ...given, target: target({}, { mtu: 9000 }) }),
      given => ({ ...given, peer: withoutGro({ mtu: 100 }) }),
      given => ({ ...given, peer: peer({}, { mtu: 100 }) }),
    ]
    let now = everything
    for (const [i, [name, code]] of order.entries()) {
      const verdict = judge(now)
      assert.deepEqual([failing(verdict)[0], verdict.code, verdict.delivers], [name, code, false])
      now = mended[i]?.(now) ?? now
    }
  })
})

describe('NAPI of the peer', () => {
  test('is what napi-get tells, whatever the features say', () => {
    assert.equal(hasNapi('6.18.0', peer({ napi: seen(2), gro: OFF })), true)
    assert.equal(hasNapi('6.18.0', peer({ napi: seen(0) })), false)
    assert.match(check(judge(facts()), 'peer NAPI').evidence, /^NETDEV_CMD_NAPI_GET: 1 instance/)
  })

  test('on some of its queues only leaves the verdict open', () => {
    const queues = { rx: 3, tx: 1, evidence: 'given' }
    const verdict = judge(facts({ peer: peer({ napi: seen(2), queues }) }))
    assert.equal(verdict.delivers, null)
    assert.match(verdict.summary, /has NAPI on 2 of 3 receive queues/)
    assert.equal(judge(facts({ peer: peer({ napi: seen(3), queues }) })).delivers, true)
  })

  test('is inferred before napi-get, and the evidence says so', () => {
    const before = facts({
      release: '6.1.176',
      target: target({ xdpFeatures: null }),
      peer: peer({ napi: null }),
    })
    const verdict = judge(before)
    assert.equal(verdict.delivers, true)
    assert.match(
      check(verdict, 'peer NAPI').evidence,
      /^inferred, as this kernel has no napi-get.*from 5\.13/,
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
      assert.equal(judge(oldFacts({ release, peer: peer({ napi: null }) })).code, groStarts ? null : 'ENXIO')
    })
  }

  test('is started by a native program on every kernel, while the peer is up', () => {
    const withProgram = (flags: number) => peer({ napi: null, gro: OFF }, { xdp: running('native'), flags })
    assert.equal(hasNapi('5.10.223', withProgram(1)), true)
    assert.equal(hasNapi('5.10.223', withProgram(0)), false)
    const verdict = judge(oldFacts({ peer: withProgram(1) }))
    assert.deepEqual([verdict.delivers, check(verdict, 'peer native program').value], [true, true])
  })

  test('is not started by a generic program', () => {
    const verdict = judge(facts({ peer: peer({ napi: null, gro: OFF }, { xdp: running('generic') }) }))
    assert.deepEqual([verdict.delivers, check(verdict, 'peer native program').value], [false, false])
  })

  test('is looked at in wanted GRO, not in active', () => {
    assert.equal(hasNapi('6.1.0', peer({ napi: null, gro: { ...OFF, wanted: true } })), true)
    assert.equal(hasNapi('6.1.0', peer({ napi: null, gro: { ...OFF, active: true } })), false)
  })
})

describe('what cannot be told', () => {
  const ref = { netns: OWN_NETNS, device: 'vt' }
  const nowhere = new PeerError('ERR_VETH_NL_PEER_UNREACHABLE', ref, 'its peer is nowhere in sight')
  /** The peer's link is known from outside, what ethtool and netdev tell is not. */
  const outside = (link = {}) => peer({ netns: null, gro: null, napi: null, queues: null }, link)

  test('without a netdev family the bit decides nothing', () => {
    const verdict = judge(oldFacts({ release: '6.1.176', peer: withoutGro() }))
    const { ok, value, evidence } = check(verdict, 'takes redirects')
    assert.deepEqual([ok, value], [null, null])
    assert.match(evidence, /no netdev family/)
    assert.deepEqual([verdict.delivers, verdict.code], [false, 'ENXIO'])
  })

  test('a peer out of reach leaves the verdict open, with the reason', () => {
    const verdict = judge(facts({ peer: null, unreachable: nowhere }))
    assert.deepEqual([end(verdict), verdict.repairs], [[null, null, null, null], []])
    assert.equal(check(verdict, 'peer reached').evidence, 'its peer is nowhere in sight')
    assert.match(verdict.summary, /cannot be told: its peer is nowhere in sight/)
  })

  test('what fails before a peer out of reach fails all the same', () => {
    const verdict = judge(facts({ target: target({}, { flags: 0 }), peer: null, unreachable: nowhere }))
    assert.deepEqual([verdict.delivers, verdict.code], [false, 'ENETDOWN'])
  })

  test('of a peer seen from outside its GRO is missing, and that leaves the verdict open', () => {
    const verdict = judge(facts({ peer: outside(), unreachable: nowhere }))
    assert.equal(verdict.delivers, null)
    assert.match(verdict.summary, /whether GRO is wanted at its peer vp in a netns out of reach/)
  })

  test('of a peer seen from outside what its link tells is enough where it decides', () => {
    const down = judge(facts({ peer: outside({ flags: 0 }), unreachable: nowhere }))
    assert.deepEqual([down.delivers, down.code], [false, 'ENXIO'])
    const program = judge(facts({ peer: outside({ xdp: running('native') }), unreachable: nowhere }))
    assert.deepEqual([program.delivers, program.code], [true, null])
    const old = judge(oldFacts({ peer: outside(), unreachable: nowhere }))
    assert.deepEqual([old.delivers, old.code], [false, 'ENXIO'])
  })

  test('of a peer of which nothing is known the own carrier tells whether it is up', () => {
    const off = judge(facts({ target: target({}, { carrier: 0 }), peer: null, unreachable: nowhere }))
    assert.deepEqual([off.delivers, off.code], [false, 'ENXIO'])
    assert.match(off.summary, /its peer is down, as its own missing carrier tells/)
    const given = { target: target({}, { carrier: 0 }), peer: null, unreachable: nowhere }
    assert.equal(judge(facts(given, { mode: 'generic' })).delivers, false)
    assert.equal(judge(facts({ peer: null, unreachable: nowhere }, { mode: 'generic' })).delivers, null)
  })

  test('whether a frame fits a device without an Ethernet header is known only where it does in any case', () => {
    const tun = (frameSize: number) =>
      judge(
        facts(
          { target: target({}, { linkinfo: ofKind('tun'), type: 65534 }), peer: null },
          { frameSize, mode: 'generic' },
        ),
      )
    const fits = (verdict: Verdict) => verdict.checks.find(({ name }) => name === 'frame fits target')?.ok
    assert.deepEqual([fits(tun(1504)), fits(tun(1505))], [true, null])
    assert.match(tun(1505).summary, /a header which is not Ethernet's/)
  })

  test('behind what is not known a frame may fail for sure, and then the errno is not known', () => {
    const verdict = judge(facts({ peer: outside({ mtu: 10 }), unreachable: nowhere }))
    assert.deepEqual(end(verdict), [false, null, null, null])
    assert.match(verdict.summary, /one way or another/)
  })
})

describe('a target without the bit whose peer has NAPI', () => {
  test('is explained by the queues when there are too few', () => {
    const queues = (rx: number, tx: number) => ({ rx, tx, evidence: 'given' })
    const verdict = judge(
      facts({
        target: target({ xdpFeatures: [], queues: queues(1, 1) }),
        peer: peer({ queues: queues(1, 2) }),
      }),
    )
    assert.equal(verdict.code, 'EOPNOTSUPP')
    assert.match(verdict.summary, /no xdp-features, since its peer sends on 2 queues and it receives on 1/)
    assert.doesNotMatch(verdict.summary, /has no NAPI/)
  })

  test('is explained by the kernel not having looked again otherwise', () => {
    const { summary } = judge(facts({ target: target({ xdpFeatures: NO_BIT }) }))
    assert.match(summary, /lacks the xdp-feature ndo-xmit although its peer has NAPI/)
  })
})

test('each check names its device and its namespace in words', () => {
  const elsewhere = facts({ peer: { ...peer(), netns: { path: '/run/netns/blue', inode: 1 } } })
  for (const { name, device, netns } of judge(elsewhere).checks) {
    const atPeer = name.startsWith('peer ') || name === 'frame fits peer'
    assert.deepEqual([device, netns], atPeer ? ['vp', 'netns blue'] : ['vt', 'this netns'], name)
  }
})

test('a name with control characters is shown without them', () => {
  const { summary } = judge(facts({ peer: withoutGro({ name: 'e\u001b[2J' }) }))
  assert.match(summary, /e\\x1b\[2J/)
  assert.ok(!summary.includes('\u001b'))
  const own = judge(facts({ target: target({}, { flags: 0, name: 'e\u001b[2J' }) })).summary
  assert.ok(!own.includes('\u001b'))
})
