import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { PromiseKernel } from '../../src/kernel/async-kernel.ts'
import { type AsyncKernel, run } from '../../src/kernel/kernel.ts'
import { Turns } from '../../src/kernel/turns.ts'
import { getLink } from '../../src/rtnetlink/link-operations.ts'
import { netnsFrom } from '../../src/wire/netns.ts'
import { type Answer, type Ask, ask, type Operation, sheltered } from '../../src/wire/operation.ts'
import { ack, change, datagram, dumpAll, getOne, part, reply } from './messages.ts'
import { ETIMEDOUT, scriptedPromises } from './scripted.ts'

const REASON = new Error('enough')

/** A signal, and who listens to it. */
function overheard() {
  const controller = new AbortController()
  const { signal } = controller
  const heard = new Set<unknown>()
  const { addEventListener, removeEventListener } = signal
  signal.addEventListener = (...words: Parameters<typeof addEventListener>) => {
    heard.add(words[1])
    addEventListener.apply(signal, words)
  }
  signal.removeEventListener = (...words: Parameters<typeof removeEventListener>) => {
    heard.delete(words[1])
    removeEventListener.apply(signal, words)
  }
  return { signal, heard, abort: () => controller.abort(REASON) }
}

describe('an AbortSignal', () => {
  test('that is aborted already lets nothing begin', async () => {
    const { shim, perform } = scriptedPromises([datagram(reply(5))])
    await assert.rejects(perform(getOne(), { signal: AbortSignal.abort(REASON) }), REASON)
    assert.deepEqual(shim.calls, [])
  })

  test('takes a request out of the queue before it is sent', async () => {
    const { shim, perform } = scriptedPromises([datagram(reply(5))], [datagram(ack())])
    shim.holds = true
    const first = perform(getOne())
    const controller = new AbortController()
    const second = perform(change(), { signal: controller.signal })
    await nextTurn()
    controller.abort(REASON)
    await assert.rejects(second, REASON)
    shim.release()
    assert.equal(await first, 5)
    await nextTurn()
    assert.equal(shim.requests.length, 1)
  })

  test('ends the wait for a read in flight at once, and its socket is not used again', async () => {
    const { shim, perform } = scriptedPromises([datagram(reply(1))], [datagram(reply(2))])
    shim.holds = true
    const controller = new AbortController()
    const given = perform(getOne(), { signal: controller.signal })
    await nextTurn()
    controller.abort(REASON)
    await assert.rejects(given, REASON)
    assert.equal(shim.inFlight, 1)
    shim.release()
    assert.equal(await perform(getOne()), 2)
    assert.deepEqual(shim.calls, ['open 1', 'send 1', 'close 1', 'open 2', 'send 2'])
  })

  test('keeps the next request waiting until the abandoned one has left the buffer', async () => {
    const { shim, perform } = scriptedPromises([datagram(reply(1))], [datagram(reply(2))])
    shim.holds = true
    const controller = new AbortController()
    const given = perform(getOne(), { signal: controller.signal })
    await nextTurn()
    controller.abort(REASON)
    await assert.rejects(given, REASON)
    const next = perform(getOne())
    await nextTurn()
    assert.equal(shim.requests.length, 1)
    shim.release()
    assert.equal(await next, 2)
    assert.equal(shim.mostInFlight, 1)
  })

  test('ends a dump between two exchanges', async () => {
    const { shim, perform } = scriptedPromises([datagram(part(1))], [datagram(part(2))])
    const controller = new AbortController()
    const given = perform(dumpAll(), { signal: controller.signal })
    await nextTurn()
    shim.holds = true
    while (!shim.calls.includes('read 1')) await nextTurn()
    controller.abort(REASON)
    await assert.rejects(given, REASON)
    assert.equal(shim.calls.at(-1), 'close 1')
    shim.release()
  })

  test('does not touch a change that has been sent', async () => {
    const { shim, perform } = scriptedPromises([datagram(ack())])
    shim.holds = true
    const controller = new AbortController()
    const changed = perform(change(), { signal: controller.signal })
    await nextTurn()
    controller.abort(REASON)
    await nextTurn()
    shim.release()
    assert.equal(await changed, undefined)
    assert.equal(shim.unplayed, 0)
  })

  test('does not touch a change whose acknowledgement takes several waits', async () => {
    const { shim, perform } = scriptedPromises(ETIMEDOUT, [datagram(ack())])
    const controller = new AbortController()
    const changed = perform(change(), { signal: controller.signal })
    await nextTurn()
    controller.abort(REASON)
    await changed
    assert.deepEqual(shim.calls, ['open 1', 'send 1', 'read 1'])
  })

  test('leaves other requests alone', async () => {
    const { shim, perform } = scriptedPromises([datagram(reply(1))], [datagram(reply(2))])
    shim.holds = true
    const first = perform(getOne())
    const controller = new AbortController()
    const given = perform(getOne(), { signal: controller.signal })
    const third = perform(getOne())
    await nextTurn()
    controller.abort(REASON)
    shim.release()
    assert.equal(await first, 1)
    await assert.rejects(given, REASON)
    assert.equal(await third, 2)
  })

  test('that is never aborted is let go of', async () => {
    const { perform } = scriptedPromises([datagram(reply(1))])
    const { signal, heard } = overheard()
    await perform(getOne(), { signal })
    assert.equal(heard.size, 0)
  })

  test('is let go of by a request that cannot be put', async () => {
    const { signal, heard } = overheard()
    const nowhere = getLink({ netns: netnsFrom('/proc/none/ns/net'), device: 'lo' })
    await assert.rejects(run(nowhere, new PromiseKernel(), { signal }), { code: 'ENOENT' })
    assert.equal(heard.size, 0)
  })

  test('is let go of by work that is given up, before its turn or afterwards', async () => {
    const { signal, heard, abort } = overheard()
    const turns = new Turns()
    const patience = { signal, awaited: false }
    const works = [1, 2].map(() => turns.take(() => {}, Number, patience))
    await nextTurn()
    abort()
    for (const work of [...works, turns.take(() => {}, Number, patience)]) await assert.rejects(work, REASON)
    assert.equal(heard.size, 0)
  })
})

describe('run() with a signal that was aborted', () => {
  /** Answers everything, and tells what it was asked and whether the signal came along. */
  class Listening implements AsyncKernel {
    readonly heard: string[] = []
    async answer(question: Ask, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<Answer> {
      this.heard.push(`${question.kind}${signal === undefined ? '' : ' with signal'}`)
      return null
    }
  }
  const wait = () => ask<'wait'>({ kind: 'wait', milliseconds: 0 })
  const close = () => ask<'close'>({ kind: 'close', fd: 1 })

  async function abortedRun(operation: (abort: () => void) => Operation<void>) {
    const kernel = new Listening()
    const controller = new AbortController()
    const ending = run(
      operation(() => controller.abort(REASON)),
      kernel,
      { signal: controller.signal },
    )
    const outcome = await ending.catch((error: unknown) => error)
    return { heard: kernel.heard, outcome }
  }

  test('asks on until then', async () => {
    const { heard, outcome } = await abortedRun(function* (abort) {
      yield* wait()
      abort()
      yield* wait()
    })
    assert.deepEqual(heard, ['wait with signal'])
    assert.equal(outcome, REASON)
  })

  test('still gives descriptors back', async () => {
    const { heard, outcome } = await abortedRun(function* (abort) {
      abort()
      try {
        yield* wait()
      } finally {
        yield* close()
      }
    })
    assert.deepEqual(heard, ['close'])
    assert.equal(outcome, REASON)
  })

  test('still undoes, and asks nothing more behind that', async () => {
    const { heard, outcome } = await abortedRun(function* (abort) {
      abort()
      try {
        yield* wait()
      } finally {
        yield* sheltered(wait())
        yield* wait()
      }
    })
    assert.deepEqual(heard, ['shelter', 'wait', 'shelter'])
    assert.equal(outcome, REASON)
  })

  test('keeps an outer shelter when an inner one ends', async () => {
    const { heard, outcome } = await abortedRun(function* (abort) {
      abort()
      yield* sheltered(
        (function* () {
          yield* sheltered(wait())
          yield* wait()
        })(),
      )
    })
    assert.deepEqual(heard, ['shelter', 'shelter', 'wait', 'shelter', 'wait', 'shelter'])
    assert.equal(outcome, undefined)
  })

  test('ends a shelter whose operation failed', async () => {
    const { heard, outcome } = await abortedRun(function* (abort) {
      const failure = new Error('cannot be undone')
      const failing = (function* (): Operation<void> {
        yield* wait()
        throw failure
      })()
      try {
        yield* sheltered(failing)
      } catch {
        abort()
      }
      yield* wait()
    })
    assert.deepEqual(heard, ['shelter', 'wait', 'shelter'])
    assert.equal(outcome, REASON)
  })
})
