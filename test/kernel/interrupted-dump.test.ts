import assert from 'node:assert/strict'
import { InterruptedDumpError } from '../../src/wire/errors.ts'
import { NLM_F } from '../../src/wire/netlink.ts'
import { datagram, done, dumpAll, part } from './messages.ts'
import { type Step, testBoth } from './scripted.ts'

const INTERRUPTED = NLM_F.DUMP_INTR

/** A dump of 1, 2, 3 in two datagrams, one message of which says that something changed; or none. */
function dumpOfThree(interruptedAt: 'first' | 'middle' | 'last' | 'DONE' | null): Step {
  const flag = (at: string) => (at === interruptedAt ? INTERRUPTED : 0)
  return [
    datagram(part(1, flag('first')), part(2, flag('middle'))),
    datagram(part(3, flag('last')), done(0, undefined, flag('DONE'))),
  ]
}

for (const at of ['first', 'middle', 'last', 'DONE'] as const) {
  testBoth(`a dump that was interrupted at its ${at} message is read anew`, async script => {
    const { perform, shim } = script(dumpOfThree(at), dumpOfThree(null))
    assert.deepEqual(await perform(dumpAll()), [1, 2, 3])
    assert.deepEqual(shim.calls, ['open 1', 'send 1', 'send 1'])
  })
}

testBoth('an interrupted dump is read to its end before it is asked for again', async script => {
  const { perform, shim } = script([datagram(part(1, INTERRUPTED))], [datagram(done())], dumpOfThree(null))
  assert.deepEqual(await perform(dumpAll()), [1, 2, 3])
  assert.deepEqual(shim.calls, ['open 1', 'send 1', 'read 1', 'send 1'])
})

testBoth('each attempt has a sequence number of its own', async script => {
  const { perform, shim } = script(dumpOfThree('last'), dumpOfThree(null))
  await perform(dumpAll())
  const [first, second] = shim.requests.map(bytes => Buffer.from(bytes).subarray(8, 12).toString('hex'))
  assert.notEqual(first, second)
})

testBoth('a dump that is interrupted five times fails with what the last one saw', async script => {
  const last: Step = [datagram(part(7), part(8), done(0, undefined, INTERRUPTED))]
  const { perform, shim } = script(...Array<Step>(4).fill(dumpOfThree('first')), last, dumpOfThree(null))
  await assert.rejects(perform(dumpAll()), error => {
    assert.ok(error instanceof InterruptedDumpError)
    assert.deepEqual(error.partial, [7, 8])
    return true
  })
  assert.equal(shim.unplayed, 1)
})

testBoth('a dump that comes through at the fifth attempt is as good as any', async script => {
  const { perform } = script(...Array<Step>(4).fill(dumpOfThree('middle')), dumpOfThree(null))
  assert.deepEqual(await perform(dumpAll()), [1, 2, 3])
})
