import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Kernel, runSync } from '../../src/kernel/kernel.ts'
import { SyncKernel } from '../../src/kernel/sync-kernel.ts'
import { newLink } from '../../src/rtnetlink/link-operations.ts'
import { createNetns, createVethPair, type Device, NetnsHandle, xdpPass } from '../../src/sync.ts'
import { explainRedirect } from '../../src/veth/explain.ts'
import { getVethPeer } from '../../src/veth/pair-again.ts'
import type { Verdict } from '../../src/veth/verdict.ts'
import type { DeviceRef } from '../../src/wire/device-ref.ts'
import type { Answer } from '../../src/wire/operation.ts'
import { needsRoot, ownNetns, ownNetnsAt } from '../tools/netns.ts'
import { needsVethChannels } from '../tools/veth-channels.ts'

/** A kernel that keeps count of how questions reached it. */
function counting() {
  const real = new SyncKernel()
  const asked = { alone: 0, together: 0 }
  const kernel: Kernel = {
    answer(question, limits): Answer {
      if (question.kind === 'netlink') asked.alone++
      // One question together is what a link with several queues costs.
      if (question.kind === 'together' && question.questions.length > 1) asked.together++
      return real.answer(question, limits)
    },
  }
  return { kernel, asked }
}

/** A pair T → P that delivers, warm: its questions are known. */
function warm(here: NetnsHandle, there: NetnsHandle) {
  const [T, P] = createVethPair({
    name: 'T',
    netns: here,
    up: true,
    peer: { name: 'P', netns: there, up: true },
  })
  P.setFeature('gro', true)
  const { kernel, asked } = counting()
  const explain = () => runSync(explainRedirect({ netns: here, device: 'T' }, {}), kernel)
  explain()
  assert.equal(asked.together, 0)
  const before = asked.alone
  assert.deepEqual(explain(), fresh(here))
  assert.deepEqual([asked.alone, asked.together], [before, 1])
  const peer = () => peerOr(here, kernel)
  peer()
  const peerBefore = asked.alone
  assert.deepEqual(peer(), peerOr(here, new SyncKernel()))
  assert.deepEqual([asked.alone, asked.together], [peerBefore, 2])
  return { T, P, explain, peer }
}

/** Where T's peer is, or why it cannot be told. */
function peerOr(netns: NetnsHandle, kernel: Kernel): DeviceRef | string {
  try {
    return runSync(getVethPeer({ netns, device: 'T' }), kernel)
  } catch (error) {
    return String((error as { code?: unknown }).code)
  }
}

/** The verdict of somebody who knows nothing from before. */
function fresh(netns: NetnsHandle): Verdict {
  return runSync(explainRedirect({ netns, device: 'T' }, {}), new SyncKernel())
}

/** What changes between two verdicts; each makes some guess of the second one wrong, or some answer another. */
const changes: Record<string, (T: Device, P: Device, there: NetnsHandle, other: NetnsHandle) => unknown> = {
  'nothing changes': () => {},
  'the peer goes down': (_, P) => P.down(),
  'the target goes down': T => T.down(),
  'GRO is switched off': (_, P) => P.setFeature('gro', false),
  'the peer is renamed': (_, P) => void renamed(P, 'Q'),
  'the peer moves on': (_, P, __, other) => P.move(other),
  'the peer comes to the target': (T, P) => P.move(T.netns),
  'the pair is made anew': (T, _, there) => {
    T.delete()
    createVethPair({ name: 'T', netns: T.netns, up: true, peer: { name: 'P', netns: there, up: true } })
  },
  'the peer is elsewhere, and a decoy with its index and its peer’s is where it was': (
    T,
    P,
    there,
    other,
  ) => {
    const [index, peerIndex] = [T.getLink().index, P.getLink().index]
    T.delete()
    const kernel = new SyncKernel()
    const pair = (netns: NetnsHandle, name: string, one: number, peer: object) =>
      runSync(newLink(netns, { name, index: one, linkinfo: { kind: 'veth', data: { peer } } }), kernel)
    pair(T.netns as NetnsHandle, 'T', index, { name: 'P', index: peerIndex, netns: other })
    const third = createNetns()
    pair(there, 'P', peerIndex, { name: 'D', index, netns: third })
    return third
  },
  'the name is given to another pair': (T, _, __, other) => {
    renamed(T, 'was-T')
    createVethPair({ name: 'T', netns: T.netns, up: true, peer: { name: 'P', netns: other, up: true } })
  },
  'the target is renamed': T => void renamed(T, 'was-T'),
  'the pair is deleted': T => T.delete(),
  'a program is attached to the peer': (_, P) => void P.attachXdp(xdpPass()),
  // Where there is but one processor, one is all that is allocated.
  'the peer sends on all its queues': (_, P) => void P.setChannels({ tx: P.getLink().numTxQueues }),
}

/** Before 6.2 or so a device that is up keeps its name. */
function renamed(end: Device, name: string): void {
  end.down()
  end.rename(name).up()
}

for (const [what, change] of Object.entries(changes)) {
  test(`asked again after ${what}, verdict and peer are those of somebody who asks for the first time`, {
    skip: what.includes('queues') ? needsVethChannels : needsRoot,
  }, t => {
    const [here, there, other] = [ownNetns(t), ownNetns(t), ownNetns(t)]
    const { T, P, explain, peer } = warm(here, there)
    const made = change(T, P, there, other)
    if (made instanceof NetnsHandle) t.after(() => made.remove())
    const expected = fresh(here)
    assert.deepEqual(explain(), expected)
    assert.deepEqual(explain(), expected)
    const expectedPeer = peerOr(here, new SyncKernel())
    assert.deepEqual(peer(), expectedPeer)
    assert.deepEqual(peer(), expectedPeer)
  })
}

test("a descriptor that stands for another namespace by now is not the peer's", { skip: needsRoot }, t => {
  const [here, there] = [ownNetns(t), createNetns()]
  const { P, explain, peer } = warm(here, there)
  const elsewhere = ownNetns(t)
  P.move(elsewhere)
  const { fd } = there
  there.remove()
  const next = ownNetnsAt(t, fd!)
  createVethPair({ name: 'decoy', netns: next, peer: 'P' })
  assert.deepEqual(peer(), peerOr(here, new SyncKernel()))
  assert.deepEqual(explain(), fresh(here))
})
