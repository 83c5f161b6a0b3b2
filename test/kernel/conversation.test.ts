import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { DecodeError, NetlinkError } from '../../src/wire/errors.ts'
import { NLM_F, NLMSG, NLMSG_HDRLEN } from '../../src/wire/netlink.ts'
import { dump } from '../../src/wire/request.ts'
import {
  ack,
  COLOUR_AT,
  change,
  datagram,
  done,
  dumpAll,
  error,
  extended,
  getAcknowledged,
  getOne,
  message,
  noop,
  ofAnother,
  overrun,
  part,
  reply,
  request,
  SIZE_AT,
  uncappedError,
} from './messages.ts'
import { testBoth } from './scripted.ts'

describe('a dump', () => {
  testBoth('is complete in one datagram', async script => {
    const { perform } = script([datagram(part(1), part(2), done())])
    assert.deepEqual(await perform(dumpAll()), [1, 2])
  })

  testBoth('goes on over datagrams of one exchange', async script => {
    const { perform } = script([datagram(part(1)), datagram(part(2), part(3)), datagram(done())])
    assert.deepEqual(await perform(dumpAll()), [1, 2, 3])
  })

  testBoth('goes on over exchanges, of which only the first sends', async script => {
    const { perform, shim } = script([datagram(part(1))], [datagram(part(2))], [datagram(part(3), done())])
    assert.deepEqual(await perform(dumpAll()), [1, 2, 3])
    assert.deepEqual(shim.calls, ['open 1', 'send 1', 'read 1', 'read 1'])
  })

  testBoth('of nothing is an empty list', async script => {
    assert.deepEqual(await script([datagram(done())]).perform(dumpAll()), [])
  })

  testBoth('fails with the errno that its DONE carries', async script => {
    const { perform } = script([datagram(part(1), done(-22))])
    await assert.rejects(perform(dumpAll()), { name: 'NetlinkError', code: 'EINVAL', errno: -22, reason: '' })
  })

  testBoth("fails with the kernel's words that its DONE carries", async script => {
    const words = 'Invalid filter'
    const { perform } = script([datagram(done(-22, extended({ words, offset: SIZE_AT })))])
    await assert.rejects(perform(dumpAll()), { code: 'EINVAL', reason: words, attribute: 'size' })
  })

  testBoth('can be refused before it begins', async script => {
    await assert.rejects(script([datagram(error(-1))]).perform(dumpAll()), { code: 'EPERM' })
  })
})

describe('a get', () => {
  testBoth('ends with its reply', async script => {
    const { perform, shim } = script([datagram(reply(5))])
    assert.equal(await perform(getOne()), 5)
    assert.deepEqual(shim.calls, ['open 1', 'send 1'])
  })

  testBoth('that is acknowledged reads on to the acknowledgement', async script => {
    const { perform, shim } = script([datagram(reply(5))], [datagram(ack())])
    assert.equal(await perform(getAcknowledged()), 5)
    assert.equal(shim.unplayed, 0)
  })

  testBoth('takes reply and acknowledgement out of one datagram', async script => {
    assert.equal(await script([datagram(reply(5), ack())]).perform(getAcknowledged()), 5)
  })

  testBoth('passes over NLMSG_NOOP', async script => {
    assert.equal(await script([datagram(noop(), reply(5))]).perform(getOne()), 5)
  })

  testBoth('that is answered by nothing but an acknowledgement fails', async script => {
    await assert.rejects(script([datagram(ack())]).perform(getOne()), DecodeError)
  })
})

describe('what is not the answer', () => {
  testBoth('is passed over when its sequence number is another', async script => {
    const { perform } = script([
      datagram(ofAnother(reply(1)), ofAnother(error(-1)), reply(5), ofAnother(reply(2))),
    ])
    assert.equal(await perform(getOne()), 5)
  })

  testBoth('does not end a dump', async script => {
    const { perform } = script([datagram(ofAnother(done()), part(1))], [datagram(done())])
    assert.deepEqual(await perform(dumpAll()), [1])
  })

  testBoth('may be left over from the exchange before', async script => {
    const { perform, shim } = script(
      [datagram(ack(), reply(1))],
      [datagram(sequence => reply(1)(sequence - 1), reply(2))],
    )
    await perform(change())
    assert.equal(await perform(getOne()), 2)
    assert.deepEqual(shim.calls, ['open 1', 'send 1', 'send 1'])
  })
})

describe('a refusal', () => {
  const refusedWith = (attributes?: ReturnType<typeof extended>) => [datagram(error(-95, attributes))]

  testBoth('without an extended ack has a code and no more', async script => {
    await assert.rejects(script(refusedWith()).perform(change()), {
      name: 'NetlinkError',
      code: 'EOPNOTSUPP',
      errno: -95,
      syscall: 'RTM_TEST',
      reason: '',
      attribute: '',
    })
  })

  testBoth('names the attribute at the offset that the kernel objects to', async script => {
    const answer = refusedWith(extended({ words: 'No such colour', offset: COLOUR_AT }))
    await assert.rejects(script(answer).perform(change()), { reason: 'No such colour', attribute: 'colour' })
  })

  testBoth('names the attribute that is missing', async script => {
    await assert.rejects(script(refusedWith(extended({ missing: 2 }))).perform(change()), {
      attribute: 'size',
    })
  })

  testBoth('names a missing attribute inside another one', async script => {
    const answer = refusedWith(extended({ missing: 9, missingIn: COLOUR_AT }))
    await assert.rejects(script(answer).perform(change()), { attribute: 'colour.9' })
  })

  testBoth('finds the extended ack behind a request that is repeated in full', async script => {
    // What change() sends: 16 bytes of header, 12 of 'yellow', 8 of 7.
    const request = Buffer.alloc(NLMSG_HDRLEN + 20)
    request.writeUInt32LE(request.length)
    const { perform, shim } = script([
      datagram(uncappedError(-95, request, extended({ words: 'No', offset: SIZE_AT }))),
    ])
    await assert.rejects(perform(change()), { reason: 'No', attribute: 'size' })
    assert.equal(shim.requests[0]!.length, request.length)
  })

  testBoth('without the flag for attributes takes none from what stands behind the request', async script => {
    const unflagged = message(NLMSG.ERROR, NLM_F.CAPPED, writer => {
      writer.s32(-95)
      writer.zeros(NLMSG_HDRLEN)
      extended({ words: 'No' })(writer)
    })
    await assert.rejects(script([datagram(unflagged)]).perform(change()), { reason: '' })
  })

  testBoth('of a privilege names the capability when the request changes something', async script => {
    await assert.rejects(script([datagram(error(-1))]).perform(change()), /CAP_NET_ADMIN/)
  })

  testBoth('leaves the socket fit for the next request', async script => {
    const { perform, shim } = script([datagram(error(-95))], [datagram(ack())])
    await assert.rejects(perform(change()), NetlinkError)
    await perform(change())
    assert.deepEqual(shim.calls, ['open 1', 'send 1', 'send 1'])
  })

  testBoth('survives an extended ack that is cut short', async script => {
    const garbled = message(NLMSG.ERROR, NLM_F.CAPPED | NLM_F.ACK_TLVS, writer => {
      writer.s32(-95)
      writer.zeros(16)
      writer.u16(400) // an attribute of 400 bytes, of which none are there
      writer.u16(1)
    })
    await assert.rejects(script([datagram(garbled, ofAnother(noop()))]).perform(change()), {
      code: 'EOPNOTSUPP',
      reason: '',
    })
  })
})

describe('NLMSG_OVERRUN', () => {
  testBoth('is an error, not an end', async script => {
    const { perform } = script([datagram(part(1), overrun())])
    await assert.rejects(perform(dumpAll()), { code: 'EIO', reason: /lost/ })
  })
})

describe('a message whose length is', () => {
  const lengths = { 'longer than its datagram': 64, 'shorter than its header': 15, nothing: 0 }
  for (const [what, length] of Object.entries(lengths)) {
    testBoth(`${what} fails, and its socket is not used again`, async script => {
      const garbage = message(16, 0, writer => writer.u32(5), length)
      const { perform, shim } = script([datagram(garbage)], [datagram(reply(5))])
      await assert.rejects(perform(getOne()), { name: 'DecodeError', offset: 0 })
      assert.equal(await perform(getOne()), 5)
      assert.deepEqual(shim.calls, ['open 1', 'send 1', 'close 1', 'open 2', 'send 2'])
    })
  }

  testBoth('broken behind the answer does no harm', async script => {
    const garbage = message(16, 0, writer => writer.u32(5), 64)
    assert.equal(await script([datagram(reply(5), garbage)]).perform(getOne()), 5)
  })
})

describe('a decoder that fails', () => {
  testBoth(
    'fails the request, and the socket with the rest of the answer is not used again',
    async script => {
      const { perform, shim } = script([datagram(part(1))], [datagram(reply(5))])
      const failure = new DecodeError('no such shape', 16)
      const failing = dump(request(NLM_F.DUMP, false), () => {
        throw failure
      })
      await assert.rejects(perform(failing), failure)
      assert.equal(await perform(getOne()), 5)
      assert.deepEqual(shim.calls, ['open 1', 'send 1', 'close 1', 'open 2', 'send 2'])
    },
  )
})
