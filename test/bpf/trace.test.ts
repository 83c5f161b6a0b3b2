import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { withDescriptor } from '../../src/bpf/descriptor.ts'
import { loadProgram } from '../../src/bpf/program.ts'
import { xdpRedirect } from '../../src/bpf/programs.ts'
import { runLiveFrames } from '../../src/bpf/test-run.ts'
import { closeTrace, openTrace, readTrace, type Trace } from '../../src/bpf/trace.ts'
import type { TraceTally } from '../../src/bpf/trace-map.ts'
import { TracepointFormat } from '../../src/bpf/tracepoint-format.ts'
import { PromiseKernel } from '../../src/kernel/async-kernel.ts'
import { run, runSync } from '../../src/kernel/kernel.ts'
import { SyncKernel } from '../../src/kernel/sync-kernel.ts'
import { SystemError, UnsupportedError } from '../../src/wire/errors.ts'
import { type Answer, type Ask, ask } from '../../src/wire/operation.ts'
import { descriptors, openedSince } from '../tools/descriptors.ts'
import { often } from '../tools/this-run.ts'
import { testWithTracefs } from '../tools/tracefs.ts'
import { FRAME, Lab, noBpf, noKernelBtf, noLiveFrames, real } from './lab.ts'

const FRAMES = 100
/** Of devices that are not there. */
const NOWHERE = [4711, 4712, 4713]

describe('the map of a trace', { skip: noLiveFrames || noKernelBtf }, () => {
  test('counts what finds no room, and has room again once it was read', t => {
    const lab = new Lab()
    t.after(() => lab.close())
    const trace = traceOf(lab, 2)
    t.after(() => real(closeTrace(trace)))
    for (const ifindex of NOWHERE) sendTo(lab, ifindex, FRAMES)
    sendTo(lab, NOWHERE[0]!, FRAMES)
    const full = real(readTrace(trace))
    assert.deepEqual(targets(full), [
      [4711, 2 * FRAMES],
      [4712, FRAMES],
    ])
    assert.equal(full.uncounted, FRAMES)
    for (let i = 0; i < 3; i++) {
      sendTo(lab, NOWHERE[2]!, FRAMES)
      const { uncounted, ...tally } = real(readTrace(trace))
      assert.deepEqual([targets({ ...tally, uncounted }), uncounted], [[[4713, FRAMES]], 0])
    }
  })

  test('loses nothing while it is read again and again', async t => {
    const lab = new Lab()
    t.after(() => lab.close())
    const trace = traceOf(lab, 8)
    t.after(() => real(closeTrace(trace)))
    const frames = often(1_000_000, 20_000)
    let sending = true
    const sent = run(liveFrames(lab, NOWHERE[0]!, frames), new PromiseKernel()).finally(() => {
      sending = false
    })
    let [counted, reads] = [0, 0]
    const read = () => {
      for (const [, refused] of targets(real(readTrace(trace)))) counted += refused
      reads++
    }
    while (sending) {
      read()
      await new Promise(resolve => setImmediate(resolve))
    }
    await sent
    read()
    assert.equal(counted, frames)
    assert.ok(reads > 3, `only ${reads} reads`)
  })
})

describe('a trace', { skip: noBpf }, () => {
  test('leaves nothing open where it cannot be opened', () => {
    const kernel = without('tracefs')
    const before = descriptors()
    const open = openTrace({ delivered: false, netnsInode: null }, 'perf events', 8)
    assert.throws(() => runSync(open, kernel), { code: 'ENOENT' })
    assert.deepEqual(openedSince(before), [])
  })

  test('is by perf events where the kernel gives out no types', () => {
    const asked: string[] = []
    const open = openTrace({ delivered: false, netnsInode: null }, null, 8)
    assert.throws(() => runSync(open, without('all', asked)), { code: 'ENOENT' })
    assert.deepEqual(asked, ['kernel/btf/vmlinux', 'events/xdp/xdp_redirect_err/format'])
  })

  testWithTracefs('is by perf events where the kernel lets no raw tracepoint be opened', () => {
    const trace = runSync(openTrace({ delivered: false, netnsInode: null }, null, 8), noRawTracepoints())
    assert.equal(trace.form, 'perf events')
    real(closeTrace(trace))
  })

  test('tells what the kernel refused first where nothing helps', { skip: noKernelBtf }, () => {
    const before = descriptors()
    for (const netnsInode of [null, 1]) {
      const open = openTrace({ delivered: false, netnsInode }, null, 8)
      assert.throws(() => runSync(open, noRawTracepoints('tracefs')), { code: 'EPERM' })
    }
    assert.deepEqual(openedSince(before), [])
  })

  test('cannot tell a namespace then', () => {
    const open = openTrace({ delivered: false, netnsInode: 1 }, null, 8)
    assert.throws(() => runSync(open, without('all')), UnsupportedError)
  })

  test('that is closed is read no more', { skip: noKernelBtf }, () => {
    const before = descriptors()
    const trace = real(openTrace({ delivered: false, netnsInode: null }, 'raw tracepoints', 8))
    real(closeTrace(trace))
    real(closeTrace(trace))
    assert.throws(() => real(readTrace(trace)), /the trace is closed/)
    assert.deepEqual(openedSince(before), [])
  })
})

describe("a tracepoint's format", () => {
  const text = [
    'name: xdp_bulk_tx',
    'ID: 583',
    'format:',
    '\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;',
    '',
    '\tfield:int ifindex;\toffset:8;\tsize:4;\tsigned:1;',
    '\tfield:unsigned int drops;\toffset:16;\tsize:4;\tsigned:0;',
    '\tfield:const struct page *page;\toffset:24;\tsize:8;\tsigned:0;',
    '\tfield:__data_loc char[] msg;\toffset:32;\tsize:4;\tsigned:0;',
    '',
    'print fmt: "ifindex=%d", REC->ifindex',
  ].join('\n')

  test('tells where the fields are', () => {
    const format = new TracepointFormat('xdp/xdp_bulk_tx', text)
    assert.deepEqual(
      [format.id, format.offset32('ifindex'), format.offset32('drops'), format.offset32('msg')],
      [583, 8, 16, 32],
    )
  })

  test('is refused where something is missing', () => {
    assert.throws(() => new TracepointFormat('xdp/xdp_bulk_tx', 'name: xdp_bulk_tx'), /no line 'ID/)
    const format = new TracepointFormat('xdp/xdp_bulk_tx', text)
    assert.throws(() => format.offset32('err'), /xdp\/xdp_bulk_tx has no field err of 4 bytes/)
    assert.throws(() => format.offset32('page'), /no field page of 4 bytes/)
  })
})

function traceOf({ netns }: Lab, entries: number): Trace {
  const { inode } = real(ask<'identify'>({ kind: 'identify', netns }))
  return real(openTrace({ delivered: true, netnsInode: inode }, 'raw tracepoints', entries))
}

function sendTo(lab: Lab, ifindex: number, count: number): void {
  real(liveFrames(lab, ifindex, count))
}

function liveFrames({ netns }: Lab, ifindex: number, count: number) {
  return withDescriptor(loadProgram(xdpRedirect(ifindex)), program =>
    runLiveFrames({ program, frame: FRAME, count, netns }),
  )
}

/** Which target, and how many frames were refused. */
function targets({ counts }: TraceTally): (readonly [index: number | undefined, refused: number])[] {
  return counts.map(({ to, refused }) => [to?.index, refused] as const).sort(([a = 0], [b = 0]) => a - b)
}

/** This kernel, as it is locked down; without tracefs where that is said. */
function noRawTracepoints(missing?: 'tracefs') {
  const BPF_RAW_TRACEPOINT_OPEN = 17
  const kernel = missing === undefined ? new SyncKernel() : without(missing)
  return {
    answer(question: Ask): Answer {
      const isRefused = question.kind === 'bpf' && question.command === BPF_RAW_TRACEPOINT_OPEN
      return isRefused
        ? { failed: new SystemError(-1, 'bpf BPF_RAW_TRACEPOINT_OPEN') }
        : kernel.answer(question)
    },
  }
}

/** This kernel, without tracefs; or without any of its files, and the numbers of its types. */
function without(what: 'tracefs' | 'all', asked: string[] = []) {
  const BPF_BTF_GET_NEXT_ID = 23
  const kernel = new SyncKernel()
  return {
    answer(question: Ask): Answer {
      if (question.kind === 'kernel file' && (what === 'all' || question.of === what)) {
        asked.push(question.path)
        return { failed: new SystemError(-2, 'open', question.path) }
      }
      const isTypes = question.kind === 'bpf' && question.command === BPF_BTF_GET_NEXT_ID
      return what === 'all' && isTypes ? { failed: new SystemError(-2, 'bpf') } : kernel.answer(question)
    },
  }
}
