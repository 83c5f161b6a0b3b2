import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Turns } from '../../src/kernel/turns.ts'
import { datagram, done, dumpAll, getOne, part, reply } from './messages.ts'
import { scriptedPromises } from './scripted.ts'

describe('the promise kernel', () => {
  test('has one exchange in flight at a time, in the order of asking', async () => {
    const { shim, perform } = scriptedPromises(...[1, 2, 3, 4].map(value => [datagram(reply(value))]))
    const answers = await Promise.all([1, 2, 3, 4].map(() => perform(getOne())))
    assert.deepEqual(answers, [1, 2, 3, 4])
    assert.equal(shim.mostInFlight, 1)
  })

  test('lets another request in between the exchanges of a dump, on another socket', async () => {
    const { shim, perform } = scriptedPromises([datagram(part(1))], [datagram(reply(5))], [datagram(done())])
    assert.deepEqual(await Promise.all([perform(dumpAll()), perform(getOne())]), [[1], 5])
    // Who waits for its turn has no socket: it would be closed for being idle, where the turn takes long.
    assert.deepEqual(shim.calls, ['open 1', 'send 1', 'open 2', 'send 2', 'read 1'])
  })

  test('uses a socket again when its conversation is over', async () => {
    const { shim, perform } = scriptedPromises([datagram(reply(1))], [datagram(reply(2))])
    await perform(getOne())
    await perform(getOne())
    assert.deepEqual(shim.calls, ['open 1', 'send 1', 'send 1'])
  })
})

describe('turns', () => {
  const patient = { awaited: true }

  test('go on when taking a result fails', async () => {
    const turns = new Turns()
    const failure = new Error('no')
    const failing = turns.take(
      done => done(1),
      () => {
        throw failure
      },
      patient,
    )
    const next = turns.take(
      done => done(2),
      result => result,
      patient,
    )
    await assert.rejects(failing, failure)
    assert.equal(await next, 2)
  })

  test('take a result before the next piece begins', async () => {
    const turns = new Turns()
    const seen: string[] = []
    const piece = (name: string) =>
      turns.take(
        done => {
          seen.push(`${name} begins`)
          nextTurn().then(() => done(0))
        },
        () => seen.push(`${name} is taken`),
        patient,
      )
    await Promise.all([piece('a'), piece('b')])
    assert.deepEqual(seen, ['a begins', 'a is taken', 'b begins', 'b is taken'])
  })
})
