import assert from 'node:assert/strict'
import { test } from 'node:test'
import { needsRoot } from '../tools/netns.ts'
import { walk } from './walk.ts'

/** `npm run test:walk` goes farther. */
const STEPS = process.env.VETH_NL_EMULATED ? 200 : 100

test('a random walk comes to no state in which verdict and frames disagree', { skip: needsRoot }, async t => {
  const seed = Math.floor(Math.random() * 2 ** 32)
  const { steps, states, delivered, refused, repaired } = await walk(seed, STEPS)
  t.diagnostic(
    `seed ${seed}: ${states} states, ${delivered} delivered, ${refused} refused, ${repaired} repaired`,
  )
  assert.equal(delivered + refused, steps)
  assert.ok(states > steps / 2 && refused > 0, `only ${states} states: this is no walk`)
})
