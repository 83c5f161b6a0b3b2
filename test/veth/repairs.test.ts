import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { RedirectFacts } from '../../src/veth/facts.ts'
import { judge } from '../../src/veth/judge.ts'
import type { Netns } from '../../src/wire/netns.ts'
import {
  actions,
  facts,
  from,
  NO_BIT,
  OFF,
  oldFacts,
  peer,
  running,
  seen,
  target,
  withoutGro,
} from './given.ts'

const commands = (given: RedirectFacts) => judge(given).repairs.map(({ command }) => command)
const queues = (rx: number, tx: number) => ({ rx, tx, evidence: 'given' })

test('GRO is switched on at the peer, never at the target', () => {
  const { repairs } = judge(facts({ target: target({ xdpFeatures: NO_BIT }), peer: withoutGro() }))
  assert.deepEqual(repairs, [
    {
      action: 'gro on',
      end: 'peer',
      device: 'vp',
      netns: 'this netns',
      command: 'ethtool -K vp gro on',
      mustBeAllowed: false,
      channels: null,
    },
  ])
})

test('the ends are brought up before anything is done about GRO', () => {
  const verdict = judge(
    facts({ target: target({ xdpFeatures: NO_BIT }, { flags: 0 }), peer: withoutGro({ flags: 0 }) }),
  )
  assert.deepEqual(actions(verdict), ['target up', 'peer up', 'gro on'])
  const lines = verdict.repairs.map(({ command }) => command)
  const expected = ['ip link set dev vt up', 'ip link set dev vp up', 'ethtool -K vp gro on']
  assert.deepEqual(lines, expected)
  assert.ok(verdict.summary.endsWith(`To repair it: ${expected.join('; ')}`))
})

describe('a bit that was left behind', () => {
  test('comes back when GRO is switched off and on', () => {
    const stale = facts({ target: target({ xdpFeatures: NO_BIT }) })
    assert.deepEqual([judge(stale).code, actions(judge(stale))], ['EOPNOTSUPP', ['gro off and on']])
    assert.deepEqual(commands(stale), ['ethtool -K vp gro off; ethtool -K vp gro on'])
  })

  test('comes by itself to a target that comes up', () => {
    const down = facts({ target: target({ xdpFeatures: NO_BIT }, { flags: 0 }) })
    assert.deepEqual(actions(judge(down)), ['target up'])
  })

  test('is not brought by the peer coming up, until the driver looks at both ends then', () => {
    const down = (release: string) =>
      facts({ release, target: target({ xdpFeatures: NO_BIT }), peer: peer({ napi: seen(0) }, { flags: 0 }) })
    for (const release of ['6.5.0', '6.12.112', '6.18.44', '7.2.10'])
      assert.deepEqual(actions(judge(down(release))), ['peer up', 'gro off and on'], release)
    for (const release of ['6.12.113', '6.12.117+deb13-amd64', '7.2.11', '7.3.0-rc1', '8.0'])
      assert.deepEqual(actions(judge(down(release))), ['peer up'], release)
  })

  test('is not brought by the target coming up while it has too few queues', () => {
    const few = target({ xdpFeatures: [], queues: queues(1, 1) }, { flags: 0, numRxQueues: 4 })
    const verdict = judge(facts({ target: few, peer: peer({ queues: queues(1, 2) }) }))
    assert.deepEqual(actions(verdict), ['target up', 'set channels'])
  })

  test('from when there were fewer queues is lost when an end comes up', () => {
    const old = { queues: queues(1, 1) }
    const many = { queues: queues(1, 3) }
    const down = facts({ target: target(old, { flags: 0, numRxQueues: 4 }), peer: peer(many) })
    assert.deepEqual([judge(down).code, actions(judge(down))], ['ENETDOWN', ['target up', 'set channels']])
    const peerDown = (release: string) =>
      facts({ release, target: target(old), peer: peer({ ...many, napi: seen(0) }, { flags: 0 }) })
    assert.deepEqual(actions(judge(peerDown('6.18.44'))), ['peer up'])
    assert.deepEqual(actions(judge(peerDown('7.3.4'))), ['peer up', 'set channels'])
  })

  test('comes with enough queues, at the target where it has them', () => {
    const given = { peer: peer({ queues: queues(1, 3) }) }
    const few = target({ xdpFeatures: [], queues: queues(1, 1) }, { numRxQueues: 4 })
    assert.deepEqual(judge(facts({ ...given, target: few })).repairs[0]?.channels, { rx: 3 })
    assert.deepEqual(commands(facts({ ...given, target: few })), ['ethtool -L vt rx 3'])
    const none = target({ xdpFeatures: [], queues: queues(2, 1) }, { numRxQueues: 2 })
    assert.deepEqual(judge(facts({ ...given, target: none })).repairs[0]?.channels, { tx: 2 })
    assert.deepEqual(commands(facts({ ...given, target: none })), ['ethtool -L vp tx 2'])
  })

  test('comes with the target going down and up where a program keeps GRO from mattering', () => {
    const program = peer({ gro: OFF }, { xdp: running('native') })
    const { repairs } = judge(facts({ target: target({ xdpFeatures: NO_BIT }), peer: program }))
    assert.deepEqual(
      repairs.map(({ action, mustBeAllowed, command }) => [action, mustBeAllowed, command]),
      [['target down and up', true, 'ip link set dev vt down; ip link set dev vt up']],
    )
  })
})

test('a peer with GRO wanted only needs to be up', () => {
  assert.deepEqual(actions(judge(facts({ peer: peer({ napi: seen(0) }, { flags: 0 }) }))), ['peer up'])
})

describe('before GRO started NAPI', () => {
  test('a native program on the peer is the way, and must be allowed', () => {
    const { repairs } = judge(oldFacts({ peer: peer({ napi: null, gro: OFF }) }))
    assert.deepEqual(
      repairs.map(({ action, end, mustBeAllowed }) => [action, end, mustBeAllowed]),
      [['native program', 'peer', true]],
    )
    assert.match(repairs[0]!.command, /^node --input-type=module -e '.*device\("vp"\)\.attachXdp/)
  })

  test('a peer that is down is brought up for it', () => {
    const down = oldFacts({ peer: peer({ napi: null, gro: OFF }, { flags: 0 }) })
    assert.deepEqual(actions(judge(down)), ['peer up', 'native program'])
  })

  test('a peer that has a program and is down only needs to be up', () => {
    const down = oldFacts({ peer: peer({ napi: null, gro: OFF }, { flags: 0, xdp: running('native') }) })
    assert.deepEqual(actions(judge(down)), ['peer up'])
  })

  test('there is none where the peer has no room for a program', () => {
    const taken = oldFacts({ peer: peer({ napi: null, gro: OFF }, { xdp: running('generic') }) })
    assert.deepEqual(actions(judge(taken)), [])
    const jumbo = target({ xdpFeatures: null }, { mtu: 9000 })
    const given = { target: jumbo, peer: peer({ napi: null, gro: OFF }) }
    assert.deepEqual(actions(judge(oldFacts(given))), [])
  })
})

describe('where there is no repair the summary says why', () => {
  const generic = { peer: peer({ napi: null, gro: OFF }, { xdp: running('generic', 77) }) }
  for (const [what, given, why] of [
    [
      'a frame that is too long',
      facts({ peer: withoutGro() }, { frameSize: 2000 }),
      /MTUs are not changed here\.$/,
    ],
    ['a generic program in the way', oldFacts(generic), /has a generic one \(id 77\): detach that first\.$/],
    [
      'an MTU in the way',
      oldFacts({
        target: target({ xdpFeatures: null }, { mtu: 9000 }),
        peer: peer({ napi: null, gro: OFF }),
      }),
      /which the target's mtu of 9000 keeps out: at most 3506\.$/,
    ],
    [
      'a peer out of reach',
      facts({ peer: peer({ netns: null, gro: null, napi: null, queues: null }, { flags: 0 }) }),
      /to be changed there, out of reach\.$/,
    ],
    [
      "the program's own side",
      facts({ from: from({}, { flags: 0 }) }),
      /the side on which the program runs is not changed here\.$/,
    ],
  ] as const) {
    test(what, () => {
      const { summary, repairs } = judge(given)
      assert.deepEqual(repairs, [])
      assert.match(summary, / No repair: /)
      assert.match(summary, why)
    })
  }
})

describe('nothing is proposed that would not help', () => {
  test('for a frame that is too long all the same', () => {
    assert.deepEqual(judge(facts({}, { frameSize: 1519 })).repairs, [])
    assert.deepEqual(judge(facts({ peer: peer({}, { mtu: 100 }) }, { frameSize: 1000 })).repairs, [])
    const both = facts({ target: target({ xdpFeatures: NO_BIT }), peer: withoutGro() }, { frameSize: 2000 })
    assert.deepEqual(judge(both).repairs, [])
  })

  test('for a peer that only its link is known of', () => {
    const outside = peer({ netns: null, gro: null, napi: null, queues: null }, { flags: 0 })
    assert.deepEqual(judge(facts({ peer: outside })).repairs, [])
  })

  test('for XDP_TX where the peer runs a program in generic mode', () => {
    const given = { peer: peer({}, { xdp: running('generic') }) }
    assert.deepEqual(judge(facts(given, { via: 'tx' })).repairs, [])
  })
})

for (const [netns, command] of [
  ['', 'ethtool -K vp gro on'],
  ['/run/netns/blue', 'ip netns exec blue ethtool -K vp gro on'],
  ['/proc/815/ns/net', 'nsenter -t 815 -n ethtool -K vp gro on'],
  ['/proc/self/fd/21', 'nsenter --net=/proc/4711/fd/21 ethtool -K vp gro on'],
  ['/srv/netns', 'nsenter --net=/srv/netns ethtool -K vp gro on'],
] as const) {
  test(`the command for a namespace at '${netns}' is what to type in a shell`, () => {
    const at: Netns = { path: netns, inode: null }
    assert.deepEqual(commands(facts({ peer: { ...withoutGro(), netns: at } })), [command])
  })
}
