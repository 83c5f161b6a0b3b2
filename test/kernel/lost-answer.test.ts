import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { NETLINK_ROUTE } from '../../src/wire/netlink.ts'
import { OWN_NETNS } from '../../src/wire/netns.ts'
import type { Failed, Operation } from '../../src/wire/operation.ts'
import { descriptors, openedSince } from '../tools/descriptors.ts'
import { ack, change, datagram, done, dumpAll, getOne, part, reply } from './messages.ts'
import { EBADF, EINTR, ENOBUFS, ETIMEDOUT, testBoth } from './scripted.ts'

/** A change with a descriptor of a namespace in it. */
function* carrying(): Operation<void> {
  const answer = (yield { ...QUESTION, descriptors: [[16, OWN_NETNS]] }) as Failed
  throw answer.failed
}
const QUESTION = {
  kind: 'netlink',
  netns: OWN_NETNS,
  protocol: NETLINK_ROUTE,
  bytes: new Uint8Array(20),
  writes: true,
  each() {},
} as const

const EMFILE = -24
const LONG = 4 << 20
const tooLong = { ...datagram(part(1), part(2)), claims: LONG }

describe('a datagram that is longer than the buffer', () => {
  testBoth('is asked for again with a buffer that has room for it', async script => {
    const { perform, shim } = script([tooLong], [datagram(reply(5))])
    assert.equal(await perform(getOne()), 5)
    assert.ok(shim.rooms[0]! < LONG)
    assert.ok(shim.rooms[1]! >= LONG)
  })

  testBoth('makes a dump begin anew, and nothing comes twice', async script => {
    const { perform } = script([datagram(part(1)), tooLong], [datagram(part(1), part(2), done())])
    assert.deepEqual(await perform(dumpAll()), [1, 2])
  })

  testBoth('leaves a socket behind that is not used again', async script => {
    const { perform, shim } = script([datagram(part(1)), tooLong], [datagram(part(1), done())])
    await perform(dumpAll())
    assert.deepEqual(shim.calls, ['open 1', 'send 1', 'close 1', 'open 2', 'send 2'])
  })

  testBoth('leaves the outcome of a change unknown, and the change is not repeated', async script => {
    const { perform, shim } = script([tooLong], [datagram(ack())])
    await assert.rejects(perform(change()), { code: 'ENOBUFS', message: /outcome .* lost/ })
    assert.equal(shim.requests.length, 1)
  })
})

describe('ENOBUFS', () => {
  testBoth('in place of an answer makes a read be asked again', async script => {
    const { perform } = script([], ENOBUFS, [datagram(reply(5))])
    assert.equal(await perform(getOne()), 5)
  })

  testBoth('in the middle makes a dump begin anew, and nothing comes twice', async script => {
    const { perform } = script([datagram(part(1))], ENOBUFS, [datagram(part(1), part(2), done())])
    assert.deepEqual(await perform(dumpAll()), [1, 2])
  })

  testBoth('without end makes a read fail', async script => {
    const { perform, shim } = script(...Array<number>(20).fill(ENOBUFS))
    await assert.rejects(perform(getOne()), { name: 'SystemError', code: 'ENOBUFS' })
    assert.ok(shim.unplayed > 0)
  })

  testBoth('without end makes a dump fail with what it has seen', async script => {
    const { perform, shim } = script(...Array<number>(20).fill(ENOBUFS))
    await assert.rejects(perform(dumpAll()), { name: 'InterruptedDumpError', partial: [] })
    assert.ok(shim.unplayed > 0)
  })

  testBoth('leaves the outcome of a change unknown, and the change is not repeated', async script => {
    const { perform, shim } = script(ENOBUFS, [datagram(ack())])
    await assert.rejects(perform(change()), { code: 'ENOBUFS', message: /outcome .* lost/ })
    assert.equal(shim.requests.length, 1)
  })
})

describe('a socket that was closed for being idle', () => {
  testBoth('is replaced, and the change is sent once', async script => {
    const { perform, shim } = script([datagram(ack())], EBADF, [datagram(ack())])
    await perform(change())
    await perform(change())
    assert.deepEqual(shim.calls, ['open 1', 'send 1', 'send 1', 'open 2', 'send 2'])
  })

  testBoth('again and again makes a change fail, which has not been made', async script => {
    const { perform } = script(...Array<number>(20).fill(EBADF))
    await assert.rejects(perform(change()), { code: 'EBADF', message: /closed before it was sent/ })
  })

  testBoth('before all of a dump was read makes the dump begin anew', async script => {
    const { perform } = script([datagram(part(1))], EBADF, [datagram(part(1), part(2), done())])
    assert.deepEqual(await perform(dumpAll()), [1, 2])
  })

  testBoth('before a change was acknowledged leaves its outcome unknown', async script => {
    const { perform, shim } = script(ETIMEDOUT, EBADF, [datagram(ack())])
    await assert.rejects(perform(change(), { timeout: 10_000 }), {
      code: 'EBADF',
      message: /outcome .* lost/,
    })
    assert.equal(shim.requests.length, 1)
  })
})

describe('any other error of the socket', () => {
  testBoth(
    'that is not to be had leaves no descriptor behind that the message was to carry',
    async script => {
      const { perform, shim } = script()
      shim.openSocket = () => EMFILE
      const before = descriptors()
      await assert.rejects(perform(carrying()), { code: 'EMFILE' })
      assert.deepEqual(openedSince(before), [])
    },
  )

  testBoth('fails the request, and the socket is not used again', async script => {
    const { perform, shim } = script(EINTR, [datagram(reply(5))])
    await assert.rejects(perform(getOne()), { name: 'SystemError', code: 'EINTR', syscall: 'sendmsg' })
    assert.equal(await perform(getOne()), 5)
    assert.deepEqual(shim.calls, ['open 1', 'send 1', 'close 1', 'open 2', 'send 2'])
  })
})

describe('the time limit', () => {
  testBoth('ends the wait for an answer, and the socket is not used again', async script => {
    const { perform, shim } = script()
    const begun = performance.now()
    await assert.rejects(perform(getOne(), { timeout: 20 }), { name: 'TimeoutError', code: 'ETIMEDOUT' })
    // Node's timers count whole milliseconds, and may come that much early.
    assert.ok(performance.now() - begun >= 19)
    assert.deepEqual(
      shim.calls.filter(call => !call.startsWith('read')),
      ['open 1', 'send 1', 'close 1'],
    )
    await assert.rejects(perform(getOne(), { timeout: 20 }), { name: 'TimeoutError' })
    assert.ok(shim.calls.includes('open 2'))
  })

  testBoth('does not send anew what takes several waits', async script => {
    const { perform, shim } = script(ETIMEDOUT, [datagram(reply(5))])
    assert.equal(await perform(getOne(), { timeout: 600 }), 5)
    assert.deepEqual(shim.calls, ['open 1', 'send 1', 'read 1'])
  })

  testBoth('does not repeat a change', async script => {
    const { perform, shim } = script()
    await assert.rejects(perform(change(), { timeout: 20 }), { name: 'TimeoutError' })
    assert.equal(shim.requests.length, 1)
  })
})
