import assert from 'node:assert/strict'
import { createNetns, createVethPair, device, type Verdict, watchVerdict, xdpPass } from '../../src/index.ts'
import { testInPrivate, testUnprivileged } from '../api/again.ts'
import { kernelHas } from '../tools/kernel-needs.ts'
import { waitUntil } from './follow.ts'

/** The verdicts of a watch as they come. */
function follow(verdicts: AsyncIterable<Verdict>): { all: Verdict[]; ended: Promise<void> } {
  const all: Verdict[] = []
  const ended = (async () => {
    for await (const verdict of verdicts) all.push(verdict)
  })()
  return { all, ended }
}

testInPrivate(
  'a verdict is told at first, and whenever it is another one, wherever the ends are',
  async t => {
    const [here, there, elsewhere] = [await createNetns(), await createNetns(), await createNetns()]
    const up = { up: true, addrGenMode: 'none' } as const
    const [target, peer] = await createVethPair({
      name: 'a',
      netns: here,
      ...up,
      peer: { name: 'b', netns: there, ...up },
    })
    const stopped = new AbortController()
    const { all, ended } = follow(watchVerdict(target, { signal: stopped.signal }))
    t.after(async () => {
      stopped.abort()
      await assert.rejects(ended, { name: 'AbortError' })
      for (const netns of [here, there, elsewhere]) await netns.remove()
    })
    const isTold = (what: string, meets: (verdict: Verdict) => boolean) =>
      waitUntil(
        what,
        async () => {
          const last = all.at(-1)
          if (last === undefined || !meets(last)) return false
          assert.deepEqual(last, await target.explainRedirect())
          return true
        },
        () => all.at(-1)?.summary ?? 'nothing',
      )

    await isTold('a fresh pair does not deliver', ({ delivers }) => delivers === false)
    if (kernelHas(5, 13)) {
      await peer.setFeature('gro', true)
      await isTold('with GRO it does', ({ delivers }) => delivers === true)
      await peer.setFeature('gro', false)
      await isTold('without it does not', ({ delivers }) => delivers === false)
    }
    const attached = await peer.attachXdp(xdpPass(), { mode: 'native' })
    await isTold('with a native program it does', ({ delivers }) => delivers === true)
    await attached.detach()
    await isTold('and without one it does not', ({ delivers }) => delivers === false)
    const moved = await peer.move(elsewhere)
    await isTold('the peer that moved is down', ({ repairs }) =>
      repairs.some(({ action }) => action === 'peer up'),
    )
    await moved.up()
    await isTold('it is up there', ({ repairs }) => repairs.every(({ action }) => action !== 'peer up'))
    await attached.detach()

    const before = all.length
    await target.setMtu(1400)
    await target.setMtu(1500)
    await target.delete()
    await isTold('there is no target any more', ({ checks }) =>
      checks.some(({ name, ok }) => name === 'target' && !ok),
    )
    assert.ok(all.slice(before).every((verdict, i) => i === 0 || notEqual(verdict, all[before + i - 1])))
  },
)

function notEqual(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) !== JSON.stringify(b)
}

testUnprivileged('without privilege it is told as well', async () => {
  const watch = watchVerdict(device('lo'))
  const { value } = await watch.next()
  assert.equal((value as Verdict).delivers, (await device('lo').explainRedirect()).delivers)
  await watch.return?.()
})

testUnprivileged('what cannot be meant is refused at once', () => {
  assert.throws(() => watchVerdict('lo' as never), TypeError)
  assert.throws(() => watchVerdict(device('lo'), { mode: 'fast' as never }), TypeError)
  assert.throws(() => watchVerdict(device('lo'), { netns: 'blue' } as never), TypeError)
  assert.throws(() => watchVerdict(device('lo'), { receiveBuffer: 0 }), RangeError)
})
