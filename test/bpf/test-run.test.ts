import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { withDescriptor } from '../../src/bpf/descriptor.ts'
import { loadProgram } from '../../src/bpf/program.ts'
import { xdpPass } from '../../src/bpf/programs.ts'
import { type LiveFrames, runLiveFrames } from '../../src/bpf/test-run.ts'
import { OWN_NETNS } from '../../src/wire/netns.ts'
import { FRAME, Lab, noLiveFrames, real } from './lab.ts'
import { buffer, play, u32 } from './scripted.ts'

/** union bpf_attr of BPF_PROG_TEST_RUN. */
const REPEAT = 32
const CTX_SIZE_IN = 40
const CTX_IN = 48
const FLAGS = 64
const BATCH_SIZE = 72
const BPF_F_TEST_XDP_LIVE_FRAMES = 2

const RUN: LiveFrames = { program: 3, frame: FRAME, count: 1, netns: OWN_NETNS }

describe('live frames', () => {
  for (const [count, batch] of [
    [1, 1],
    [1000, 64],
  ] as const) {
    test(`${count} at a time name a batch size, which kernels without them refuse`, () => {
      const { asked } = play(runLiveFrames({ ...RUN, count }), question => {
        assert.equal(u32(question, FLAGS), BPF_F_TEST_XDP_LIVE_FRAMES)
        assert.equal(u32(question, REPEAT), count)
        assert.equal(u32(question, BATCH_SIZE), batch)
        assert.equal(buffer(question, CTX_IN), null)
        return 0
      })
      assert.deepEqual(asked, ['bpf 10'])
    })
  }

  test('from a device have a context that names it', () => {
    const { asked } = play(runLiveFrames({ ...RUN, ingress: 7 }), question => {
      assert.equal(u32(question, CTX_SIZE_IN), 24) // sizeof(struct xdp_md)
      // data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex
      assert.deepEqual(new Uint32Array(buffer(question, CTX_IN)!.buffer), Uint32Array.of(0, 60, 0, 7, 0, 0))
      return 0
    })
    assert.deepEqual(asked, ['bpf 10'])
  })

  test('are at least one', () => {
    for (const count of [0, -1, 1.5]) {
      const { asked, outcome } = play(runLiveFrames({ ...RUN, count }), () => 0)
      assert(outcome instanceof RangeError)
      assert.deepEqual(asked, [])
    }
  })
})

describe('real live frames', { skip: noLiveFrames }, () => {
  let lab: Lab
  beforeEach(() => {
    lab = new Lab()
  })
  afterEach(() => lab.close())

  const send = (frame: Uint8Array, ingress: number) =>
    real(
      withDescriptor(loadProgram(xdpPass()), program =>
        runLiveFrames({ program, frame, count: 1, netns: lab.netns, ingress }),
      ),
    )

  test('can come from a device of the namespace only', () => {
    send(FRAME, lab.target)
    assert.throws(() => send(FRAME, 4711), { code: 'ENODEV', syscall: 'bpf BPF_PROG_TEST_RUN' })
  })

  test('have a header at least, and fit a page', () => {
    send(new Uint8Array(14), lab.target)
    for (const length of [13, 4096]) {
      assert.throws(() => send(new Uint8Array(length), lab.target), { code: 'EINVAL' })
    }
  })
})
