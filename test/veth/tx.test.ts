import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { exit, mov, R0 } from '../../src/bpf/instruction.ts'
import type { ProgramSource } from '../../src/bpf/program.ts'
import { createVethPair, type Device, xdpPass } from '../../src/sync.ts'
import { probeFrame } from '../../src/veth/probe-frame.ts'
import { ask } from '../../src/wire/operation.ts'
import { kernelHas } from '../tools/kernel-needs.ts'
import { needsRoot, ownNetns } from '../tools/netns.ts'
import { real } from '../tools/real.ts'

/** XDP_TX on T sends what came from P back to P. What does it take at P? Shown by frames, against the verdict. */

const XDP_TX = 3
const FRAMES = 20
const SIZE = 64

interface Pair {
  readonly T: Device
  readonly P: Device
}

/** What was done to the pair, and whether what T sends back arrives at P: in native and in generic mode. */
const SCENES: readonly (readonly [name: string, (pair: Pair) => void, native: boolean, generic: boolean])[] =
  [
    ['nothing', () => {}, false, true],
    // NAPI it has, from 5.13 on; but nobody wakes it.
    ['GRO at the peer', ({ P }) => P.setFeature('gro', true), false, true],
    ['GRO at the device itself', ({ T }) => T.setFeature('gro', true), false, true],
    ['a native program at the peer', ({ P }) => P.attachXdp(xdpPass()), true, true],
    ['a generic program at the peer', ({ P }) => P.attachXdp(xdpPass(), { mode: 'generic' }), false, true],
  ]

for (const mode of ['native', 'generic'] as const) {
  for (const [name, prepare, native, generic] of SCENES) {
    const arrives = mode === 'native' ? native : generic
    test(`${mode}: with ${name} what XDP_TX sends ${arrives ? 'arrives' : 'does not'}`, {
      skip: needsRoot,
    }, t => {
      const pair = bouncing(t, mode)
      prepare(pair)
      const verdict = pair.T.explainRedirect({ via: 'tx' })
      assert.equal(verdict.checks.find(check => check.name === 'program')?.value, mode)
      const { arrived, dropped } = bounce(pair)
      assert.equal(arrived, arrives ? FRAMES : 0, verdict.summary)
      assert.equal(verdict.delivers, arrives, verdict.summary)
      // An errno is one that the device's own counter tells: what stays in the ring is not counted.
      assert.equal(dropped, verdict.code === null ? 0 : FRAMES, verdict.summary)
    })
  }
}

test('what XDP_TX left in the ring comes out when a redirect wakes the peer', {
  skip: needsRoot || (kernelHas(5, 13) ? false : 'needs NAPI by GRO, Linux 5.13'),
}, t => {
  const pair = bouncing(t, 'native')
  pair.P.setFeature('gro', true)
  assert.equal(bounce(pair).arrived, 0)
  const before = received(pair.P)
  const { delivered } = pair.T.probeRedirect({ frames: 1 })
  assert.equal(delivered, 1)
  assert.equal(received(pair.P) - before, FRAMES + 1)
})

test('a repair for XDP_TX is a program at the peer, and must be allowed', { skip: needsRoot }, t => {
  const pair = bouncing(t, 'native')
  assert.throws(() => pair.T.repairRedirect({ via: 'tx' }), /'native program' is needed, and must be allowed/)
  const repair = pair.T.repairRedirect({ via: 'tx', allow: ['native program'] })
  assert.equal(repair.after?.delivers, true)
  assert.equal(bounce(pair).arrived, FRAMES)
  repair.undo()
  assert.equal(pair.P.getXdp().mode, 'none')
  assert.equal(bounce(pair).arrived, 0)
})

function bouncing(t: TestContext, mode: 'native' | 'generic'): Pair {
  const quiet = { up: true, addrGenMode: 'none' } as const
  const peer = { name: 'P', netns: ownNetns(t), ...quiet }
  const [T, P] = createVethPair({ name: 'T', netns: ownNetns(t), ...quiet, peer })
  const bounce: ProgramSource = { type: 'XDP', name: 'tx', license: 'MIT', code: [mov(R0, XDP_TX), exit()] }
  T.attachXdp(bounce, { mode })
  return { T, P }
}

function bounce({ T, P }: Pair): { arrived: number; dropped: number } {
  const before = { arrived: received(P), dropped: T.getLink().stats!.txDropped, seen: received(T) }
  const frame = probeFrame(T.getLink().address, SIZE)
  const { index } = P.getLink()
  const sent = real(ask({ kind: 'frames', netns: P.netns, ifindex: index, frame, count: FRAMES }))
  assert.equal(sent, FRAMES)
  for (let patience = 100; received(T) - before.seen < FRAMES && patience > 0; patience--) pause(1)
  pause(5) // for what goes back
  return {
    arrived: received(P) - before.arrived,
    dropped: Number(T.getLink().stats!.txDropped - before.dropped),
  }
}

function pause(milliseconds: number): void {
  real(ask({ kind: 'wait', milliseconds }))
}

function received(end: Device): number {
  return Number(end.getLink().stats!.rxPackets)
}
