import assert from 'node:assert/strict'
import { testInPrivate } from '../api/again.ts'
import { often } from '../tools/this-run.ts'
import { SMALL, storm, stormOfPairs } from './storm.ts'

/** `npm run test:storm` goes farther. */
const CHANGES = often(3000, 300)
const anySeed = () => Math.floor(Math.random() * 2 ** 32)

testInPrivate('links that change in bursts are in the end as they were told', async t => {
  const seed = anySeed()
  t.diagnostic(`seed ${seed}`)
  const { losses, links } = await storm(seed, CHANGES)
  assert.equal(losses, 0)
  assert.ok(links > 20, `only ${links} links: this is no storm`)
})

testInPrivate('so they are where the kernel has no room for its messages', async t => {
  const seed = anySeed()
  t.diagnostic(`seed ${seed}`)
  const { losses } = await storm(seed, CHANGES, SMALL)
  const least = often(10, 0) // an emulated kernel is too slow to lose many
  assert.ok(losses >= least, `only ${losses} losses`)
})

testInPrivate('so are the pairs of all namespaces, which come and go', async t => {
  const seed = anySeed()
  t.diagnostic(`seed ${seed}`)
  const { events, links } = await stormOfPairs(seed, often(100, 40), 10)
  assert.ok(events > links)
})
