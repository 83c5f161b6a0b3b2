import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { withDescriptor } from '../../src/bpf/descriptor.ts'
import { attachXdp } from '../../src/bpf/link.ts'
import { loadProgram } from '../../src/bpf/program.ts'
import { xdpPass, xdpRedirect, xdpRedirectType } from '../../src/bpf/programs.ts'
import {
  closeRedirectCounter,
  openRedirectCounter,
  type RedirectTally,
  readRedirectTally,
} from '../../src/bpf/redirect-counter.ts'
import { createRedirectDevmap } from '../../src/bpf/redirect-devmap.ts'
import { runLiveFrames } from '../../src/bpf/test-run.ts'
import { PromiseKernel } from '../../src/kernel/async-kernel.ts'
import { run } from '../../src/kernel/kernel.ts'
import type { Operation } from '../../src/wire/operation.ts'
import { FRAME, kernelHas, Lab, noBpf, noLiveFrames, real } from './lab.ts'
import { play } from './scripted.ts'

const FRAMES = 100
const ENXIO = -6
const EINVAL = -22
const EOPNOTSUPP = -95

describe('live frames into a veth', { skip: noLiveFrames }, () => {
  let lab: Lab
  beforeEach(() => {
    lab = new Lab()
  })
  afterEach(() => lab.close())

  test('whose peer has no NAPI are all refused', () => {
    // Source: __xdp_enqueue(), net/core/filter.c; before 6.3 it is the veth itself that refuses.
    const refusal = kernelHas(6, 3)
      ? { tracepoint: 'xdp:xdp_redirect_err', errno: EOPNOTSUPP, code: 'EOPNOTSUPP' }
      : { tracepoint: 'xdp:xdp_devmap_xmit', errno: ENXIO, code: 'ENXIO' }
    assert.deepEqual(outcomes(real(sendAndCount(lab, lab.target))), [
      { ...refusal, accepted: 0, refused: FRAMES },
    ])
  })

  test('whose peer has NAPI are all accepted, and arrive', async () => {
    const before = lab.link('vp').stats64.rx.packets
    const counts = real(
      withDescriptor(loadProgram(xdpPass()), program =>
        withDescriptor(attachXdp(program, lab.peer, 'native', lab.netns), () =>
          sendAndCount(lab, lab.target),
        ),
      ),
    )
    assert.deepEqual(counts, [
      { tracepoint: 'xdp:xdp_devmap_xmit', errno: 0, code: null, accepted: FRAMES, refused: 0 },
    ])
    // The peer's NAPI may be left to ksoftirqd.
    const arrived = () => lab.link('vp').stats64.rx.packets - before
    for (let tries = 0; arrived() < FRAMES && tries < 20; tries++) await setTimeout(50)
    assert(arrived() >= FRAMES)
  })

  test('whose peer went down are refused by the veth', () => {
    const counts = real(
      withDescriptor(loadProgram(xdpPass()), program =>
        withDescriptor(attachXdp(program, lab.peer, 'native', lab.netns), () => {
          lab.ip('link', 'set', 'vp', 'down')
          return sendAndCount(lab, lab.target)
        }),
      ),
    )
    assert.deepEqual(counts, [
      { tracepoint: 'xdp:xdp_devmap_xmit', errno: ENXIO, code: 'ENXIO', accepted: 0, refused: FRAMES },
    ])
  })

  test('for a device that is not there are refused', () => {
    assert.deepEqual(real(sendAndCount(lab, 4711, us())), [
      { tracepoint: 'xdp:xdp_redirect_err', errno: EINVAL, code: 'EINVAL', accepted: 0, refused: FRAMES },
    ])
  })

  test('sent by another thread of this process are counted', async () => {
    // The promise form makes its bpf(2) calls on a thread of libuv's pool.
    const counts = await run(sendAndCount(lab, 4711, us()), new PromiseKernel())
    assert.equal(counts[0]?.refused, FRAMES)
  })

  test('of this process are not counted for another', () => {
    assert.deepEqual(real(sendAndCount(lab, lab.target, { ...us(), pid: process.pid + 1 })), [])
  })

  test('of this pid namespace are not counted for another', () => {
    const { pid, pidNamespace } = us()
    const other = { ...pidNamespace, inode: pidNamespace.inode + 1n }
    assert.deepEqual(real(sendAndCount(lab, lab.target, { pid, pidNamespace: other })), [])
  })

  test('are counted among all others without an owner', () => {
    const counts = real(sendAndCount(lab, lab.target, null))
    assert(counts.some(({ refused }) => refused >= FRAMES))
  })
})

describe('the counter', () => {
  test('closes what it opened when a program is refused', () => {
    // map 10; first program 11, link 12; the second program is refused: EPERM.
    const { asked } = play(openRedirectCounter(null), (_question, nth) => (nth < 3 ? 10 + nth : -1))
    assert.deepEqual(asked.slice(0, 4), ['bpf 0', 'bpf 5', 'bpf 17', 'close 11'])
    assert.deepEqual(asked.slice(-2), ['close 12', 'close 10'])
  })

  test('leaves no descriptor behind', { skip: noBpf }, () => {
    real(sendNothing())
    const before = openDescriptors()
    real(sendNothing())
    assert.equal(openDescriptors(), before)
  })
})

function us(): Owner {
  const { dev, ino } = statSync('/proc/self/ns/pid', { bigint: true })
  return { pid: process.pid, pidNamespace: { device: dev, inode: ino } }
}

function* sendAndCount(lab: Lab, ifindex: number, owner: Owner | null): Operation<RedirectCount[]> {
  const counter = yield* openRedirectCounter(owner)
  try {
    yield* withDescriptor(loadProgram(xdpRedirect(ifindex)), program =>
      runLiveFrames({ program, frame: FRAME, count: FRAMES, netns: lab.netns }),
    )
    return yield* readRedirectCounter(counter)
  } finally {
    yield* closeRedirectCounter(counter)
  }
}

function* sendNothing(): Operation<void> {
  yield* closeRedirectCounter(yield* openRedirectCounter(us()))
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length
}
