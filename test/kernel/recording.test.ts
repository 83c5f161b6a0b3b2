import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { getFeatures, setFeature } from '../../src/ethtool/features.ts'
import { PromiseKernel } from '../../src/kernel/async-kernel.ts'
import { type Kernel, run, runSync } from '../../src/kernel/kernel.ts'
import {
  parseRecording,
  type Recording,
  record,
  recordAsync,
  replay,
  stringifyRecording,
} from '../../src/kernel/recording.ts'
import { SyncKernel } from '../../src/kernel/sync-kernel.ts'
import { getLink, listLinks, newLink } from '../../src/rtnetlink/link-operations.ts'
import { NLM_F } from '../../src/wire/netlink.ts'
import { type Netns, netnsFrom } from '../../src/wire/netns.ts'
import { ask, type Operation, sheltered } from '../../src/wire/operation.ts'
import { inNetns, needsRoot } from '../tools/netns.ts'
import { vethIn } from '../tools/veth.ts'
import { datagram, done, dumpAll, part } from './messages.ts'
import { ScriptedShim } from './scripted.ts'

/** Some of everything: single answers, dumps, generic netlink, a change, refusals, a namespace that is not there. */
function questions(netns: Netns): Operation<unknown>[] {
  const va = { netns, device: 'va' }
  const other: Netns = { ...netns, inode: 1 }
  return [
    getLink(va),
    listLinks(netns),
    getFeatures(va),
    setFeature(va, 'gro', true),
    getFeatures(va),
    sheltered(getLink(va)),
    getLink({ netns, device: 'nobody' }),
    newLink(netns, { name: 'va', linkinfo: { kind: 'veth', data: { peer: { netns } } } }),
    newLink(netns, { name: 'vd', linkinfo: { kind: 'no-such-kind', data: null } }),
    setFeature(va, 'no-such-feature', true),
    getLink({ netns: other, device: 'va' }),
    getLink({ netns: netnsFrom('no-such-namespace'), device: 'va' }),
  ]
}

/** What an operation comes to: its value, or the failure as its caller sees it. */
function outcome(operation: Operation<unknown>, kernel: Kernel): unknown {
  try {
    return runSync(operation, kernel)
  } catch (error) {
    return failure(error)
  }
}

/** An error's class, message and fields. */
function failure(error: unknown): Record<string, unknown> {
  const { message } = error as Error
  return { ...(error as object), class: (error as object).constructor, message }
}

describe('a recording', { skip: needsRoot }, () => {
  test(
    'is answered by as the kernel answered, in values and in errors, after being written down',
    inNetns(netns => {
      vethIn(netns)
      const recording: Recording = []
      const kernel = record(new SyncKernel(), recording)
      const recorded = questions(netns).map(operation => outcome(operation, kernel))
      const replayed = replay(parseRecording(stringifyRecording(recording)))
      assert.deepEqual(
        questions(netns).map(operation => outcome(operation, replayed)),
        recorded,
      )
      const failures = recorded.filter(
        value => typeof value === 'object' && value !== null && 'code' in value,
      )
      assert.deepEqual(
        failures.map(({ code }) => code),
        ['ENODEV', 'EEXIST', 'EOPNOTSUPP', 'ERR_VETH_NL_FEATURE_UNKNOWN', 'ESTALE', 'ENOENT'],
      )
    }),
  )

  test(
    'of promises is the same as of plain values',
    inNetns(async netns => {
      vethIn(netns)
      const ref = { netns, device: 'va' }
      const plain: Recording = []
      const promised: Recording = []
      const kernel = record(new SyncKernel(), plain)
      const asyncKernel = recordAsync(new PromiseKernel(), promised)
      const asks: (() => Operation<unknown>)[] = [
        () => getLink(ref),
        () => getFeatures(ref),
        () => listLinks(netns),
      ]
      for (const question of asks) {
        assert.deepEqual(await run(question(), asyncKernel), runSync(question(), kernel))
      }
      assert.equal(stringifyRecording(promised), stringifyRecording(plain))
    }),
  )

  test(
    'needs no kernel: nothing is asked of the namespace, which is gone',
    inNetns(netns => {
      vethIn(netns)
      const recording: Recording = []
      const gone = netnsFrom(netns)
      const recorded = runSync(listLinks(gone), record(new SyncKernel(), recording))
      const nowhere = parseRecording(
        stringifyRecording(recording).replaceAll(gone.path, '/run/netns/of-another-machine'),
      )
      const elsewhere = { path: '/run/netns/of-another-machine', inode: gone.inode }
      assert.deepEqual(runSync(listLinks(elsewhere), replay(nowhere)), recorded)
    }),
  )

  test(
    'fails for another question, and shows both',
    inNetns(netns => {
      vethIn(netns)
      const recording: Recording = []
      runSync(getLink({ netns, device: 'va' }), record(new SyncKernel(), recording))
      assert.throws(
        () => runSync(getLink({ netns: netnsFrom('elsewhere'), device: 'va' }), replay(recording)),
        ({ message }: Error) => {
          assert.match(message, /question 0/)
          assert.ok(message.includes('/run/netns/elsewhere'), message)
          assert.ok(message.includes(netns.path), message)
          return true
        },
      )
      assert.throws(() => runSync(getLink({ netns, device: 'vb' }), replay(recording)), /question 0/)
    }),
  )

  test(
    'fails for a question too many',
    inNetns(netns => {
      const recording: Recording = []
      runSync(getLink({ netns, device: 'lo' }), record(new SyncKernel(), recording))
      const kernel = replay(recording)
      runSync(getLink({ netns, device: 'lo' }), kernel)
      assert.throws(() => runSync(getLink({ netns, device: 'lo' }), kernel), /ends before question 1/)
    }),
  )
})

test('a recording holds what the machine is, large numbers too', () => {
  const recording: Recording = []
  const self = () => ask<'self'>({ kind: 'self' })
  const recorded = runSync(self(), record(new SyncKernel(), recording))
  assert.deepEqual(runSync(self(), replay(parseRecording(stringifyRecording(recording)))), recorded)
})

test('a recording of a dump that was interrupted replays both attempts', () => {
  const recording: Recording = []
  const shim = new ScriptedShim([
    [datagram(part(1), done(0, undefined, NLM_F.DUMP_INTR))],
    [datagram(part(1), part(2), done())],
  ])
  const recorded = runSync(dumpAll(), record(new SyncKernel(shim), recording))
  assert.deepEqual(recorded, [1, 2])
  assert.deepEqual(runSync(dumpAll(), replay(recording)), recorded)
})

test('what is no recording is refused', () => {
  for (const text of ['{}', 'null', '7', 'nonsense']) assert.throws(() => parseRecording(text), SyntaxError)
})
