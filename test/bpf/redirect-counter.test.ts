import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { BPF_CMD } from '../../src/bpf/command.ts'
import { closeDescriptor, withDescriptor } from '../../src/bpf/descriptor.ts'
import { attachXdp } from '../../src/bpf/link.ts'
import { loadProgram, type ProgramSource } from '../../src/bpf/program.ts'
import { xdpPass, xdpRedirect, xdpRedirectType } from '../../src/bpf/programs.ts'
import {
  closeRedirectCounter,
  openRedirectCounter,
  type RedirectCounter,
  type RedirectTally,
  readRedirectCounter,
  readRedirectTally,
} from '../../src/bpf/redirect-counter.ts'
import { createRedirectDevmap, type RedirectDevmap } from '../../src/bpf/redirect-devmap.ts'
import { runLiveFrames } from '../../src/bpf/test-run.ts'
import { PromiseKernel } from '../../src/kernel/async-kernel.ts'
import { run } from '../../src/kernel/kernel.ts'
import type { Operation } from '../../src/wire/operation.ts'
import { descriptors, openedSince } from '../tools/descriptors.ts'
import { FRAME, kernelHas, Lab, noLab, noLiveFrames, real } from './lab.ts'
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
    assert.deepEqual(real(sendAndCount(lab)), {
      redirected: kernelHas(6, 3) ? 0 : FRAMES,
      outcomes: [{ ...refusal, accepted: 0, refused: FRAMES }],
    })
  })

  test('whose peer has NAPI are all accepted, and arrive', async () => {
    const before = lab.link('vp').stats64.rx.packets
    assert.deepEqual(real(withNapi(lab, () => sendAndCount(lab))), accepted(FRAMES))
    // The peer's NAPI may be left to ksoftirqd.
    const arrived = () => lab.link('vp').stats64.rx.packets - before
    for (let tries = 0; arrived() < FRAMES && tries < 20; tries++) await setTimeout(50)
    assert(arrived() >= FRAMES)
  })

  test('whose peer went down are refused by the veth', () => {
    const tally = real(
      withNapi(lab, () => {
        lab.ip('link', 'set', 'vp', 'down')
        return sendAndCount(lab)
      }),
    )
    assert.deepEqual(tally.outcomes, [
      { tracepoint: 'xdp:xdp_devmap_xmit', errno: ENXIO, code: 'ENXIO', accepted: 0, refused: FRAMES },
    ])
  })

  test('sent by another thread of this process are counted', async () => {
    // The promise form makes its bpf(2) calls on a thread of libuv's pool.
    const { outcomes } = await run(sendAndCount(lab), new PromiseKernel())
    assert.equal(outcomes[0]?.refused, FRAMES)
  })

  test('are counted by their devmap, though they come from the same device as others', () => {
    const tallies = real(
      withNapi(lab, () =>
        withCounter(lab, a =>
          withCounter(lab, function* (b) {
            for (const [devmap, count] of [
              [a.devmap, 1],
              [b.devmap, 70],
              [a.devmap, 17],
              [a.devmap, 16],
              [b.devmap, 1],
            ] as const) {
              yield* sendBy(lab, xdpRedirectType(ETHER_TYPE, devmap, false), count)
              yield* sendBy(lab, xdpRedirect(lab.target), 3)
            }
            return [yield* readRedirectTally(a.counter), yield* readRedirectTally(b.counter)]
          }),
        ),
      ),
    )
    assert.deepEqual(tallies, [accepted(34), accepted(71)])
  })

  test('of another type are dropped by the program', () => {
    const { redirected, outcomes } = real(
      withCounter(lab, function* ({ devmap, counter }) {
        yield* sendBy(lab, xdpRedirectType(ETHER_TYPE + 1, devmap, false), FRAMES)
        return yield* readRedirectTally(counter)
      }),
    )
    assert.deepEqual([redirected, outcomes], [0, []])
  })

  test('are counted among all of the machine, too', () => {
    const counter = real(openRedirectCounter(null))
    try {
      real(sendAndCount(lab))
      real(sendBy(lab, xdpRedirect(4711), FRAMES))
      const outcomes = real(readRedirectCounter(counter))
      assert(outcomes.some(({ refused, errno }) => refused >= FRAMES && errno !== EINVAL))
      assert(outcomes.some(({ refused, errno }) => refused >= FRAMES && errno === EINVAL))
    } finally {
      real(closeRedirectCounter(counter))
    }
  })
})

describe('a devmap', { skip: noLab }, () => {
  test('for a device that is not there is refused, and leaves no descriptor', () => {
    const lab = new Lab()
    const before = descriptors()
    assert.throws(() => real(createRedirectDevmap(4711, lab.netns)), { code: 'EINVAL' })
    assert.deepEqual(openedSince(before), [])
    lab.close()
  })
})

describe('the counter', () => {
  test('closes what it opened when a program is refused', () => {
    // map 10; first program 11, link 12; the second program is refused: EPERM.
    const { asked } = play(openRedirectCounter(null), (_question, nth) => (nth < 3 ? 10 + nth : -1))
    assert.deepEqual(asked.slice(0, 4), ['bpf 0', 'bpf 5', 'bpf 17', 'close 11'])
    assert.deepEqual(asked.slice(-2), ['close 12', 'close 10'])
  })

  test('reads the key where the kernel has it, before 5.13 too', () => {
    // maps 10, 11; program 12 reads an argument that is not there: EINVAL; then three of programs and links.
    const attaching = 3
    const { asked, outcome } = play(openRedirectCounter(DEVMAP), (_question, nth) =>
      nth === attaching ? EINVAL : 10 + nth,
    )
    const tries = ['bpf 5', 'bpf 17', 'close 12']
    const attached = [14, 16, 18].flatMap(program => ['bpf 5', 'bpf 17', `close ${program}`])
    assert.deepEqual(asked, ['bpf 0', 'bpf 0', ...tries, ...attached, 'close 11'])
    assert.deepEqual((outcome as RedirectCounter).links, [15, 17, 19])
  })

  test('is refused where the key is nowhere', () => {
    const { asked, outcome } = play(openRedirectCounter(DEVMAP), ({ command }, nth) =>
      command === BPF_CMD.BPF_RAW_TRACEPOINT_OPEN ? EINVAL : 10 + nth,
    )
    assert.equal((outcome as { code?: string }).code, 'EINVAL')
    assert.deepEqual(asked.slice(-2), ['close 11', 'close 10'])
  })

  for (const devmap of [null, 'devmap']) {
    test(`leaves no descriptor behind${devmap === null ? '' : ', nor does its devmap'}`, {
      skip: noLab,
    }, () => {
      const lab = new Lab()
      const once = () => (devmap === null ? openAndClose() : withCounter(lab, openAndClose))
      real(once())
      const before = descriptors()
      real(once())
      assert.deepEqual(openedSince(before), [])
      lab.close()
    })
  }
})

/** Of FRAME. */
const ETHER_TYPE = 0x88b5
const DEVMAP = {
  type: 'DEVMAP_HASH',
  name: 'test',
  keySize: 4,
  valueSize: 4,
  maxEntries: 1,
  fd: 3,
  key: 0x8000_0001,
} as const

function accepted(count: number): RedirectTally {
  const outcome = { errno: 0, code: null, accepted: count, refused: 0 }
  return { redirected: count, outcomes: [{ tracepoint: 'xdp:xdp_devmap_xmit', ...outcome }] }
}

function withNapi<T>(lab: Lab, use: () => Operation<T>): Operation<T> {
  return withDescriptor(loadProgram(xdpPass()), program =>
    withDescriptor(attachXdp(program, lab.peer, 'native', lab.netns), use),
  )
}

interface Counted {
  readonly devmap: RedirectDevmap
  readonly counter: RedirectCounter
}

function* withCounter<T>(lab: Lab, use: (counted: Counted) => Operation<T>): Operation<T> {
  const devmap = yield* createRedirectDevmap(lab.target, lab.netns)
  const counter = yield* openRedirectCounter(devmap)
  try {
    return yield* use({ devmap, counter })
  } finally {
    yield* closeRedirectCounter(counter)
    yield* closeDescriptor(devmap.fd)
  }
}

function* sendBy(lab: Lab, program: ProgramSource, count: number): Operation<void> {
  yield* withDescriptor(loadProgram(program), fd =>
    runLiveFrames({ program: fd, frame: FRAME, count, netns: lab.netns }),
  )
}

function sendAndCount(lab: Lab): Operation<RedirectTally> {
  return withCounter(lab, function* ({ devmap, counter }) {
    yield* sendBy(lab, xdpRedirectType(ETHER_TYPE, devmap, false), FRAMES)
    return yield* readRedirectTally(counter)
  })
}

function* openAndClose(): Operation<void> {
  yield* closeRedirectCounter(yield* openRedirectCounter(null))
}
