import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PromiseKernel } from '../../src/kernel/async-kernel.ts'
import { type AsyncKernel, run } from '../../src/kernel/kernel.ts'
import { vethEnds } from '../../src/options.ts'
import { createVethPair, device, listLinks } from '../../src/sync.ts'
import { createVethPair as createPair } from '../../src/veth/pairs.ts'
import { repairRedirect } from '../../src/veth/repair.ts'
import type { Operation } from '../../src/wire/operation.ts'
import { needsGroNapi } from '../tools/kernel-needs.ts'
import { needsRoot, ownNetns } from '../tools/netns.ts'

/** More questions than any operation here puts. */
const MANY = 200

const real = new PromiseKernel()

/** Runs an operation whose caller gives up while the nth question is being answered; whether it ended well. */
async function giveUpAt(nth: number, operation: Operation<unknown>): Promise<'done' | 'given up'> {
  const caller = new AbortController()
  let count = 0
  const kernel: AsyncKernel = {
    answer(question, limits) {
      const answer = real.answer(question, limits)
      if (++count === nth) setImmediate(() => caller.abort(new Error('enough')))
      return count === nth ? answer.finally(() => new Promise(setImmediate)) : answer
    },
  }
  try {
    await run(operation, kernel, { signal: caller.signal })
    return 'done'
  } catch (error) {
    assert.match(`${error}`, /enough/)
    return 'given up'
  }
}

test('a pair that is given up at any question is not left behind', { skip: needsRoot }, async t => {
  const netns = ownNetns(t)
  const ends = vethEnds({ name: 'a', netns, up: true, peer: { name: 'b', up: true } })
  for (let nth = 1; nth < MANY; nth++) {
    const how = await giveUpAt(nth, createPair(netns, ends.first, ends.second))
    const veths = listLinks({ netns }).filter(({ kind }) => kind === 'veth')
    assert.equal(veths.length, how === 'done' ? 2 : 0, `given up at question ${nth}`)
    if (how === 'done') return
  }
  assert.fail('it never came to its end')
})

const repairs = { skip: needsRoot || needsGroNapi }

test('a repair that is given up at any question takes back what it did', repairs, async t => {
  const netns = ownNetns(t)
  for (let nth = 1; nth < MANY; nth++) {
    const [a, b] = createVethPair({ name: 'a', netns, peer: 'b' })
    const how = await giveUpAt(nth, repairRedirect({ netns, device: 'a' }, {}))
    const state = [a.getLink().up, b.getLink().up, b.getFeatures().gro.wanted]
    const done = how === 'done'
    assert.deepEqual(state, [done, done, done], `given up at question ${nth}`)
    device('a', { netns }).delete()
    if (done) return
  }
  assert.fail('it never came to its end')
})
