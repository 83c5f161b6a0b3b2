import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Kernel, runSync } from '../../src/kernel/kernel.ts'
import { SyncKernel } from '../../src/kernel/sync-kernel.ts'
import { newLink } from '../../src/rtnetlink/link-operations.ts'
import { createVethPair } from '../../src/sync.ts'
import { getVethPair } from '../../src/veth/peer.ts'
import { needsRoot, ownNetns } from '../tools/netns.ts'

test('a veth that took the peer’s index while it moved away is not the peer', { skip: needsRoot }, t => {
  const [here, there] = [ownNetns(t), ownNetns(t)]
  const [a, b] = createVethPair({ name: 'a', netns: here, peer: 'b' })
  const real = new SyncKernel()
  let reads = 0
  const kernel: Kernel = {
    answer(question, limits) {
      const answer = real.answer(question, limits)
      if (question.kind === 'netlink' && ++reads === 1) {
        b.move(there)
        const decoy = { kind: 'veth', data: { peer: { name: 'decoy1' } } }
        runSync(newLink(here, { name: 'decoy0', index: b.index!, linkinfo: decoy }), real)
      }
      return answer
    },
  }
  const { peer } = runSync(getVethPair({ netns: here, device: a.index! }), kernel)
  assert.equal(peer.link.name, 'b')
})
