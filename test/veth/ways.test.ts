import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { judge } from '../../src/veth/judge.ts'
import { PeerError } from '../../src/veth/peer-error.ts'
import { OWN_NETNS } from '../../src/wire/netns.ts'
import {
  actions,
  check,
  end,
  facts,
  failing,
  from,
  NO_BIT,
  ofKind,
  oldFacts,
  peer,
  running,
  target,
  withoutGro,
} from './given.ts'

const GENERIC = { mode: 'generic' } as const
const BY_ERR = 'xdp:xdp_redirect_err'

describe('in generic mode', () => {
  test('neither NAPI nor the bit is needed', () => {
    const verdict = judge(facts({ target: target({ xdpFeatures: null }), peer: withoutGro() }, GENERIC))
    assert.equal(verdict.delivers, true)
    assert.deepEqual(
      verdict.checks.map(({ name }) => name),
      ['kind', 'target up', 'frame fits target', 'peer up', 'frame fits peer'],
    )
  })

  test("the target's own limits have an errno", () => {
    assert.deepEqual(end(judge(facts({ target: target({}, { flags: 0 }) }, GENERIC))), [
      false,
      'ENETDOWN',
      'xdp_ok_fwd_dev',
      BY_ERR,
    ])
    assert.equal(judge(facts({}, { ...GENERIC, frameSize: 1519 })).code, 'EMSGSIZE')
  })

  for (const [what, given] of [
    ['is down', withoutGro({ flags: 0 })],
    ['has too small an MTU', withoutGro({ mtu: 40 })],
  ] as const) {
    test(`a peer that ${what} loses the frame in silence, and the summary says what grows`, () => {
      const verdict = judge(facts({ peer: given }, GENERIC))
      assert.deepEqual(end(verdict), [false, null, 'veth_xmit', null])
      assert.match(verdict.summary, /loses it without an error or a trace; tx_dropped of vt grows/)
    })
  }

  test('a target that is not there is EINVAL too', () => {
    assert.equal(judge(facts({ target: null, peer: null }, GENERIC)).code, 'EINVAL')
  })

  test('only the ends can be repaired', () => {
    const down = facts({ target: target({}, { flags: 0 }), peer: withoutGro({ flags: 0 }) }, GENERIC)
    assert.deepEqual(actions(judge(down)), ['target up', 'peer up'])
  })
})

describe('as one of a broadcast', () => {
  const BROADCAST = { via: 'broadcast' } as const
  test('what the target itself refuses is passed over without a word', () => {
    for (const given of [
      target({ xdpFeatures: NO_BIT }),
      target({}, { flags: 0 }),
      target({}, { mtu: 40 }),
    ]) {
      const verdict = judge(facts({ target: given }, BROADCAST))
      assert.deepEqual(end(verdict), [false, null, 'is_valid_dst', null])
      assert.match(verdict.summary, /without an error, a trace or a counter/)
    }
  })

  test('what the peer refuses shows as ever', () => {
    assert.deepEqual(end(judge(facts({ peer: withoutGro() }, BROADCAST))), [
      false,
      'ENXIO',
      'veth_xdp_xmit',
      'xdp:xdp_devmap_xmit',
    ])
  })

  test('in generic mode the errors show', () => {
    const verdict = judge(facts({ target: target({}, { flags: 0 }) }, { ...BROADCAST, ...GENERIC }))
    assert.equal(verdict.code, 'ENETDOWN')
  })
})

describe('XDP_TX', () => {
  const TX = { via: 'tx' } as const
  const native = target({ xdpFeatures: null }, { xdp: running('native') })

  test('arrives where the other end has a native program', () => {
    const verdict = judge(facts({ target: native, peer: peer({}, { xdp: running('native', 9) }) }, TX))
    assert.equal(verdict.delivers, true)
    assert.match(verdict.summary, /^Native-mode XDP_TX on vt will arrive at vp/)
  })

  test('fails with ENXIO at xdp_bulk_tx where the other end has no NAPI', () => {
    const verdict = judge(facts({ target: native, peer: withoutGro() }, TX))
    assert.deepEqual(end(verdict), [false, 'ENXIO', 'veth_xdp_xmit', 'xdp:xdp_bulk_tx'])
    assert.deepEqual(actions(verdict), ['native program'])
  })

  test('stays in the ring where the other end has NAPI by GRO alone', () => {
    const verdict = judge(facts({ target: native }, TX))
    assert.deepEqual(end(verdict), [false, null, 'veth_xdp_flush', null])
    assert.deepEqual([failing(verdict), actions(verdict)], [['peer wakes'], ['native program']])
    assert.match(verdict.summary, /NAPI by GRO alone, which XDP_TX does not wake/)
  })

  test("does not ask for the device's own bit, nor for its room", () => {
    const bare = target({ xdpFeatures: null }, { xdp: running('native'), mtu: 40 })
    assert.equal(
      judge(facts({ target: bare, peer: peer({}, { xdp: running('native') }) }, TX)).delivers,
      true,
    )
  })

  test('is lost with the frame that does not fit the other end', () => {
    const short = facts({ target: native, peer: peer({}, { xdp: running('native'), mtu: 40 }) }, TX)
    assert.deepEqual(end(judge(short)), [false, null, 'veth_xdp_xmit', 'xdp:xdp_bulk_tx'])
  })

  test('says when no program is there yet', () => {
    const verdict = judge(facts({ target: target({ xdpFeatures: null }) }, TX))
    assert.match(check(verdict, 'program').evidence, /judged as if one ran in native mode/)
  })

  test('sees no frame while the device is down', () => {
    const down = target({ xdpFeatures: null }, { xdp: running('native'), flags: 0 })
    const verdict = judge(facts({ target: down, peer: peer({}, { xdp: running('native') }) }, TX))
    assert.deepEqual([end(verdict), actions(verdict)], [[false, null, null, null], ['target up']])
  })

  test('in generic mode needs only a peer that is up', () => {
    const generic = target({ xdpFeatures: null }, { xdp: running('generic') })
    assert.equal(judge(facts({ target: generic, peer: withoutGro() }, { ...TX, ...GENERIC })).delivers, true)
    const down = judge(facts({ target: generic, peer: withoutGro({ flags: 0 }) }, { ...TX, ...GENERIC }))
    assert.deepEqual(end(down), [false, null, 'veth_xmit', null])
  })

  test('on 5.10 a program at the other end is all there is', () => {
    const old = oldFacts({ peer: peer({ napi: null }, { xdp: running('native') }) }, TX)
    assert.equal(judge(old).delivers, true)
    assert.equal(judge(oldFacts({ peer: peer({ napi: null }) }, TX)).code, 'ENXIO')
  })
})

describe('a frame of several buffers', () => {
  const LARGE = { multiBuffer: true, frameSize: 5000 } as const
  const room = { mtu: 9000 }

  test('needs ndo-xmit-sg', () => {
    const given = { peer: peer({}, room) }
    assert.equal(judge(facts({ ...given, target: target({}, room) }, LARGE)).delivers, true)
    const without = target({ xdpFeatures: ['basic', 'redirect', 'ndo-xmit'] }, room)
    const verdict = judge(facts({ ...given, target: without }, LARGE))
    assert.deepEqual(end(verdict), [false, 'EOPNOTSUPP', '__xdp_enqueue', BY_ERR])
    assert.deepEqual(failing(verdict), ['takes fragments'])
  })

  test('is not redirected before 6.3, and nothing tells', () => {
    const old = oldFacts({ release: '6.1.176', target: target({ xdpFeatures: null }, room) }, LARGE)
    assert.deepEqual(end(judge(old)), [false, null, 'xdp_do_redirect', null])
    assert.deepEqual(judge(old).repairs, [])
  })
})

describe('a target that is no veth', () => {
  const dummy = (xdpFeatures: readonly string[], link = {}) =>
    facts({
      target: target({ xdpFeatures: xdpFeatures as [] }, { linkinfo: ofKind('dummy'), ...link }),
      peer: null,
    })

  test('without the bit refuses every frame, and no veth peer is talked of', () => {
    const verdict = judge(dummy([]))
    assert.deepEqual(end(verdict), [false, 'EOPNOTSUPP', '__xdp_enqueue', BY_ERR])
    assert.match(verdict.summary, /vt \(dummy\) lacks the xdp-feature ndo-xmit/)
    assert.doesNotMatch(JSON.stringify(verdict), /peer/)
    assert.deepEqual(verdict.repairs, [])
  })

  test('with the bit takes it; what its driver does then is not known', () => {
    const verdict = judge(dummy(['ndo-xmit']))
    assert.deepEqual([verdict.delivers, verdict.code], [null, null])
    assert.match(verdict.summary, /the kernel hands the frame to the driver of vt \(dummy\)/)
  })

  test('that is down is ENETDOWN', () => {
    assert.deepEqual(end(judge(dummy(['ndo-xmit'], { flags: 0 }))).slice(0, 2), [false, 'ENETDOWN'])
  })

  test('before 6.3 is known only by its link', () => {
    const old = oldFacts({ target: target({ xdpFeatures: null }, { linkinfo: null }), peer: null })
    const verdict = judge(old)
    assert.deepEqual([verdict.delivers, verdict.code], [null, null])
    assert.match(verdict.summary, /only Linux 6\.3 and later tell whether the driver of vt takes redirects/)
  })
})

describe('where the program runs', () => {
  test('is named, and stops nothing where it is as it must be', () => {
    const verdict = judge(facts({ from: from({}, { xdp: running('native') }) }))
    assert.equal(verdict.delivers, true)
    assert.deepEqual(
      verdict.checks.slice(0, 4).map(({ name, device, value }) => [name, device, value]),
      [
        ['from', 'nic0', true],
        ['from up', 'nic0', true],
        ['from runs native programs', 'nic0', true],
        ['from program', 'nic0', 'native'],
      ],
    )
  })

  test('a driver without native mode cannot do it', () => {
    const verdict = judge(facts({ from: from({ xdpFeatures: [] }) }))
    assert.deepEqual(end(verdict), [false, 'EOPNOTSUPP', 'dev_xdp_attach', null])
    assert.match(verdict.summary, /nic0 runs no native-mode program.*generic mode is left/)
    assert.equal(judge(facts({ from: from({ xdpFeatures: [] }) }, GENERIC)).delivers, true)
  })

  test('must be up, and be there', () => {
    assert.match(judge(facts({ from: from({}, { flags: 0 }) })).summary, /nic0 is down/)
    const missing = judge(facts({ from: { ...from(), link: null } }))
    assert.equal(missing.delivers, false)
    assert.match(missing.summary, /there is no nic0 in this netns, from which to redirect/)
  })

  test('may be the target itself', () => {
    const own = judge(facts({ from: from({}, { index: 7, name: 'vt' }) }))
    assert.equal(own.delivers, true)
    assert.match(check(own, 'from').evidence, /the target itself: what comes in there goes out there again/)
  })

  test('what is wrong there is not ours to repair', () => {
    const both = judge(facts({ from: from({}, { flags: 0 }), peer: withoutGro() }))
    assert.deepEqual(both.repairs, [])
  })

  test('a program in the other mode is worth a word', () => {
    const verdict = judge(facts({ from: from({}, { xdp: running('generic') }) }))
    assert.match(check(verdict, 'from program').evidence, /judged for native mode, as was asked/)
  })
})

test('a peer that is gone is told as such', () => {
  const ref = { netns: OWN_NETNS, device: 'vt' }
  const unreachable = new PeerError('ERR_VETH_NL_PEER_UNREACHABLE', ref, 'it is being deleted')
  for (const way of [{}, GENERIC, { via: 'tx' } as const]) {
    const { delivers, summary } = judge(facts({ peer: null, unreachable }, way))
    assert.equal(delivers, null)
    assert.match(summary, /it is being deleted/)
  }
})
