import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runSync } from '../../src/kernel/kernel.ts'
import { type Recording, record, replay } from '../../src/kernel/recording.ts'
import { SyncKernel } from '../../src/kernel/sync-kernel.ts'
import { linkExcerptQuestion, newLink } from '../../src/rtnetlink/link-operations.ts'
import { LITTLE_ENDIAN, NETLINK_GENERIC, NLM_F } from '../../src/wire/netlink.ts'
import type { NetlinkAsk, Operation } from '../../src/wire/operation.ts'
import { Bundle, CountQuestion, ObjectQuestion, type Question, together } from '../../src/wire/question.ts'
import { inNetns, needsRoot } from '../tools/netns.ts'
import { vethIn } from '../tools/veth.ts'
import { datagram, done, error, message, part, reply, request, type Said } from './messages.ts'
import { EBADF, ENOBUFS, testBoth } from './scripted.ts'

const EMFILE = -24

const one = (): Question<number> =>
  new ObjectQuestion(request(0, false), (view, at) => view.getUint32(at, LITTLE_ENDIAN))
const count = (): Question<number> => new CountQuestion(request(NLM_F.DUMP, false))
/** The same question on another socket. */
function generic(question: Question<number>): Question<number> {
  const ask: NetlinkAsk = { ...question.ask, protocol: NETLINK_GENERIC }
  return { ask, begin: () => question.begin(), take: answer => question.take(answer) }
}

/** What becomes of each: its value, or the code of its failure. */
function* outcomes(
  questions: readonly Question<number>[],
  bundle = new Bundle(questions),
): Operation<(number | string)[]> {
  const answers = yield* together(bundle)
  return questions.map((question, i) => {
    try {
      return question.take(answers[i]!)
    } catch (failure) {
      return String((failure as { code?: unknown }).code)
    }
  })
}

/** An answer to the request that was sent so many later than the first. */
const to =
  (nth: number, said: Said): Said =>
  sequence =>
    said(sequence + nth)

testBoth('questions to one socket are one send, and each gets its own answer', async script => {
  const { perform, shim } = script([datagram(to(1, reply(2))), datagram(reply(1))])
  assert.deepEqual(await perform(outcomes([one(), one()])), [1, 2])
  assert.deepEqual(shim.calls, ['open 1', 'send 1 with 2'])
})

testBoth('questions to two sockets are one crossing', async script => {
  const { perform, shim } = script([datagram(reply(1))], [datagram(reply(2))])
  assert.deepEqual(await perform(outcomes([one(), generic(one())])), [1, 2])
  assert.deepEqual(shim.calls, ['open 1', 'open 2', 'send 1 with 1', 'send 2 with 1'])
})

testBoth('the sockets are used again', async script => {
  const { perform, shim } = script([datagram(reply(1))], [datagram(reply(2))])
  await perform(outcomes([one()]))
  await perform(outcomes([one()]))
  assert.deepEqual(shim.calls, ['open 1', 'send 1 with 1', 'send 1 with 1'])
})

testBoth('put again they are asked anew, also where an answer was lost before', async script => {
  const { perform, shim } = script(
    [datagram(reply(1)), datagram(to(1, part(7)), to(1, done()))],
    [datagram(reply(2))],
    [datagram(part(7), done())],
    [datagram(reply(3)), datagram(to(1, error(-19)))],
    [datagram(reply(4)), datagram(to(1, done()))],
  )
  const questions = [one(), count()]
  const bundle = new Bundle(questions)
  const said: (number | string)[][] = []
  for (let i = 0; i < 4; i++) said.push(await perform(outcomes(questions, bundle)))
  assert.deepEqual(said, [
    [1, 1],
    [2, 1],
    [3, 'ENODEV'],
    [4, 0],
  ])
  assert.deepEqual(
    shim.calls.filter(call => call.startsWith('send')),
    ['send 1 with 2', 'send 1 with 2', 'send 2', 'send 2 with 2', 'send 2 with 2'],
  )
})

testBoth('what one is refused is no matter of the others', async script => {
  const { perform, shim } = script([
    datagram(reply(1)),
    datagram(to(1, error(-19))),
    datagram(to(2, reply(3))),
  ])
  assert.deepEqual(await perform(outcomes([one(), one(), one()])), [1, 'ENODEV', 3])
  assert.deepEqual(shim.calls, ['open 1', 'send 1 with 3'])
})

testBoth('a dump among them is read to its end', async script => {
  const { perform } = script([
    datagram(reply(1)),
    datagram(to(1, part(7)), to(1, part(8))),
    datagram(to(2, reply(3))),
    datagram(to(1, part(9)), to(1, done())),
  ])
  assert.deepEqual(await perform(outcomes([one(), count(), one()])), [1, 3, 3])
})

testBoth('a dump that changed meanwhile says so', async script => {
  const { perform } = script([datagram(part(7, NLM_F.DUMP_INTR), done()), datagram(to(1, reply(2)))])
  assert.deepEqual(await perform(outcomes([count(), one()])), ['ERR_VETH_NL_INTERRUPTED_DUMP', 2])
})

testBoth('a dump that did not come to its end is not put again behind what it has counted', async script => {
  const { perform, shim } = script([datagram(part(7)), datagram(to(1, reply(2)))])
  assert.deepEqual(await perform(outcomes([count(), one()])), ['ERR_VETH_NL_INTERRUPTED_DUMP', 2])
  assert.deepEqual(shim.calls, ['open 1', 'send 1 with 2', 'close 1'])
})

testBoth('a dump refused because of another one is put alone', async script => {
  const { perform, shim } = script(
    [datagram(part(7), done()), datagram(to(1, error(-16)))],
    [datagram(part(1), part(2), done())],
  )
  assert.deepEqual(await perform(outcomes([count(), count()])), [1, 2])
  assert.deepEqual(shim.calls, ['open 1', 'send 1 with 2', 'send 1'])
})

testBoth('short of descriptors, the sockets that wait are given up', async script => {
  const { perform, shim } = script([datagram(reply(1))], [datagram(reply(2))])
  assert.deepEqual(await perform(outcomes([one()])), [1])
  const open = shim.openSocket.bind(shim)
  let short = true
  shim.openSocket = (netns, protocol) => {
    if (!short) return open(netns, protocol)
    short = false
    return EMFILE
  }
  assert.deepEqual(await perform(outcomes([generic(one())])), [2])
  assert.deepEqual(shim.calls, ['open 1', 'send 1 with 1', 'close 1', 'open 2', 'send 2 with 1'])
})

testBoth('what has no answer is put alone, on another socket', async script => {
  const { perform, shim } = script([datagram(reply(1))], [datagram(reply(2))])
  assert.deepEqual(await perform(outcomes([one(), one()])), [1, 2])
  assert.deepEqual(shim.calls, ['open 1', 'send 1 with 2', 'close 1', 'open 2', 'send 2'])
})

for (const [what, errno] of Object.entries({
  'is closed': EBADF,
  'loses its answers': ENOBUFS,
  'is busy': -16,
})) {
  testBoth(`a socket that ${what} leaves its questions to be put alone`, async script => {
    const { perform, shim } = script(errno, [datagram(reply(2))], [datagram(reply(1))])
    assert.deepEqual(await perform(outcomes([one(), generic(one())])), [1, 2])
    assert.deepEqual(shim.calls.slice(2), ['send 1 with 1', 'send 2 with 1', 'close 1', 'open 3', 'send 3'])
  })
}

testBoth('an answer too long for the buffer is asked for with a larger one', async script => {
  const long = { messages: [reply(1)], claims: 1 << 20 }
  const { perform, shim } = script([long], [datagram(reply(2))])
  assert.deepEqual(await perform(outcomes([one()])), [2])
  assert.ok(shim.rooms.at(-1)! >= 1 << 20)
})

testBoth('messages of others, or for others, are passed over', async script => {
  const { perform } = script([datagram(to(5, reply(7)), to(-1, reply(8)), reply(1))])
  assert.deepEqual(await perform(outcomes([one()])), [1])
})

testBoth('a decoder that fails fails its own question', async script => {
  const failing = new ObjectQuestion<number>(request(0, false), () => {
    throw Object.assign(new Error('no such shape'), { code: 'SHAPE' })
  })
  const { perform } = script([datagram(reply(1)), datagram(to(1, reply(2)))])
  assert.deepEqual(await perform(outcomes([failing, one()])), ['SHAPE', 2])
})

testBoth('a message of broken length costs no more than the rest of its datagram', async script => {
  const broken = message(16, 0, writer => writer.u32(5), 64)
  const { perform } = script([datagram(broken), datagram(to(1, reply(2)))], [datagram(reply(1))])
  assert.deepEqual(await perform(outcomes([one(), one()])), [1, 2])
})

testBoth('changes are put one by one', async script => {
  const writing = { ...one().ask, writes: true }
  const { perform, shim } = script([datagram(reply(1))])
  const question: Question<number> = { ask: writing, begin() {}, take: () => 1 }
  assert.deepEqual(await perform(outcomes([question])), [1])
  assert.deepEqual(shim.calls, ['open 1', 'send 1'])
})

test('by promises they can be given up, and their sockets are closed', async () => {
  const { scriptedPromises } = await import('./scripted.ts')
  const { perform, shim } = scriptedPromises([datagram(reply(1))])
  shim.holds = true
  const controller = new AbortController()
  const answer = perform(outcomes([one()]), { signal: controller.signal })
  while (shim.inFlight === 0) await new Promise(resolve => setImmediate(resolve))
  const reason = new Error('enough')
  controller.abort(reason)
  await assert.rejects(answer, reason)
  assert.deepEqual(shim.calls, ['open 1', 'send 1 with 1', 'close 1'])
  shim.release()
})

test(
  'a recording holds them one by one',
  { skip: needsRoot },
  inNetns(netns => {
    vethIn(netns)
    const names = ['va', 'vb']
    const both = function* (): Operation<string[]> {
      const questions = names.map(device => linkExcerptQuestion({ netns, device }))
      const answers = yield* together(new Bundle(questions))
      return questions.map((question, i) => question.take(answers[i]!).name)
    }
    const recording: Recording = []
    assert.deepEqual(runSync(both(), record(new SyncKernel(), recording)), names)
    assert.deepEqual(
      recording.map(({ question }) => question.kind),
      ['netlink', 'netlink'],
    )
    assert.deepEqual(runSync(both(), replay(recording)), names)
  }),
)

test(
  'what the real kernel refuses one of them has its reason, and long dumps come whole',
  { skip: needsRoot },
  inNetns(netns => {
    const kernel = new SyncKernel()
    for (let i = 0; i < 40; i++) runSync(newLink(netns, { linkinfo: { kind: 'veth', data: null } }), kernel)
    const [lo, none] = ['lo', 'none'].map(device => linkExcerptQuestion({ netns, device }))
    const answers = runSync(together(new Bundle([lo!, none!, lo!])), kernel)
    assert.equal(lo!.take(answers[2]!).name, 'lo')
    assert.throws(() => none!.take(answers[1]!), { code: 'ENODEV', syscall: 'RTM_GETLINK', device: 'none' })
  }),
)
