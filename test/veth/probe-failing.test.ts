import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { BPF_CMD } from '../../src/bpf/command.ts'
import { type Kernel, runSync } from '../../src/kernel/kernel.ts'
import {
  parseRecording,
  type Recording,
  record,
  replay,
  stringifyRecording,
} from '../../src/kernel/recording.ts'
import { SyncKernel } from '../../src/kernel/sync-kernel.ts'
import { createVethPair, type Device, listLinks, xdpPass } from '../../src/sync.ts'
import { type ProbeOptions, type ProbeResult, probeRedirect } from '../../src/veth/probe.ts'
import type { DeviceRef } from '../../src/wire/device-ref.ts'
import { SystemError } from '../../src/wire/errors.ts'
import { LITTLE_ENDIAN } from '../../src/wire/netlink.ts'
import type { Answer, Ask } from '../../src/wire/operation.ts'
import { descriptors } from '../tools/descriptors.ts'
import { needsLiveFrames } from '../tools/kernel-needs.ts'
import { needsRoot, ownNetns } from '../tools/netns.ts'
import { EXTENSION, LOADER } from '../tools/this-run.ts'

const root = { skip: needsRoot }
const EPERM = -1
const EINTR = -4
const EINVAL = -22
const WAYS: readonly ProbeOptions[] = [{ by: 'veth' }, { by: 'veth', mode: 'generic' }, { by: 'live frames' }]

/** The real kernel, but for what `meddle` answers itself. */
function meddling(meddle: (question: Ask) => Answer | undefined): Kernel {
  const kernel = new SyncKernel()
  return { answer: (question, limits) => meddle(question) ?? kernel.answer(question, limits) }
}

function failing(errno: number): Answer {
  return { failed: new SystemError(errno, 'bpf') }
}

function deliveringPair(t: TestContext): [Device, Device] {
  const [T, P] = createVethPair({ name: 'T', netns: ownNetns(t), up: true, peer: { name: 'P', up: true } })
  const program = P.attachXdp(xdpPass(), { lifetime: 'process' })
  t.after(() => program.detach())
  return [T, P]
}

/** All but sockets, which are closed when they have been idle. */
function openDescriptors(): string[] {
  return descriptors().filter(open => !open.includes(' socket:'))
}

for (const options of WAYS) {
  const words = [options.by, options.mode].filter(word => word !== undefined).join(', ')
  const skip = needsRoot || (options.by === 'live frames' && needsLiveFrames)

  test(`given up at any step nothing is left open: ${words}`, { skip }, t => {
    const [T] = deliveringPair(t)
    const before = openDescriptors()
    let steps = 0
    for (let failFrom = 0, done = false; !done; failFrom++) {
      let questions = 0
      const kernel = meddling(({ kind }) => {
        if (kind === 'close' || kind === 'shelter' || questions++ < failFrom) return undefined
        return failing(EPERM)
      })
      try {
        runSync(probeRedirect(refOf(T), { frames: 1, ...options }), kernel)
        done = true
      } catch (error) {
        assert.match((error as SystemError).code, /^(EPERM|ERR_VETH_NL_PEER_UNREACHABLE)$/)
        steps++
      }
      assert.deepEqual(openDescriptors(), before, `given up at question ${failFrom}`)
    }
    assert.ok(steps > 10, `${steps} steps`)
  })

  test(`a recording replays: ${words}`, { skip }, t => {
    const [T] = deliveringPair(t)
    const recording: Recording = []
    const recorded = runSync(probeRedirect(refOf(T), options), record(new SyncKernel(), recording))
    assert.equal(recorded.delivered, 64)
    const kernel = replay(parseRecording(stringifyRecording(recording)))
    assert.deepEqual(runSync(probeRedirect(refOf(T), options), kernel), recorded)
  })
}

/** Of live frames: where napi-get is missing the kernel's memory is read by a test run, too. */
function isTestRun(question: Ask): boolean {
  if (question.kind !== 'bpf' || question.command !== BPF_CMD.BPF_PROG_TEST_RUN) return false
  const { buffer, byteOffset } = question.attr
  return new DataView(buffer, byteOffset).getUint32(FLAGS, LITTLE_ENDIAN) === BPF_F_TEST_XDP_LIVE_FRAMES
}
const FLAGS = 64
const BPF_F_TEST_XDP_LIVE_FRAMES = 1 << 1

test('where there are no live frames a veth sends them, unless they are asked for', root, t => {
  const [T] = deliveringPair(t)
  const kernel = meddling(question => (isTestRun(question) ? failing(EINVAL) : undefined))
  const probe = (options: ProbeOptions): ProbeResult => runSync(probeRedirect(refOf(T), options), kernel)
  const { by, delivered } = probe({})
  assert.deepEqual([by, delivered], ['veth', 64])
  assert.throws(() => probe({ by: 'live frames' }), { code: 'ERR_VETH_NL_UNSUPPORTED', since: '5.18' })
})

test('where a program cannot take several buffers, long frames are not supported', root, t => {
  const [T] = deliveringPair(t)
  const PROG_FLAGS = 44
  const kernel = meddling(question => {
    if (question.kind !== 'bpf' || question.command !== BPF_CMD.BPF_PROG_LOAD) return undefined
    return new DataView(question.attr.buffer).getUint32(PROG_FLAGS, LITTLE_ENDIAN) === 0
      ? undefined
      : failing(EINVAL)
  })
  assert.throws(() => runSync(probeRedirect(refOf(T), { size: 5000 }), kernel), {
    code: 'ERR_VETH_NL_UNSUPPORTED',
    since: '5.18',
  })
})

test('a signal in the middle of live frames costs none', { skip: needsRoot || needsLiveFrames }, t => {
  const [T] = deliveringPair(t)
  const REPEAT = 32
  const real = new SyncKernel()
  let runs = 0
  const kernel = meddling(question => {
    if (question.kind !== 'bpf' || !isTestRun(question) || runs++ > 0) return undefined
    const attr = question.attr.slice()
    new DataView(attr.buffer).setUint32(REPEAT, 10, LITTLE_ENDIAN)
    assert.equal(real.answer({ ...question, attr }), 0)
    return failing(EINTR)
  })
  const { sent, delivered, nsPerFrame } = runSync(probeRedirect(refOf(T), {}), kernel)
  assert.deepEqual([sent, delivered, nsPerFrame, runs], [64, 64, null, 2])
})

test('without a right to locked memory the error says so', root, t => {
  const [T] = deliveringPair(t)
  const kernel = meddling(question =>
    question.kind === 'bpf' && question.command === BPF_CMD.BPF_MAP_CREATE ? failing(EPERM) : undefined,
  )
  assert.throws(() => runSync(probeRedirect(refOf(T), {}), kernel), {
    code: 'EPERM',
    message: /RLIMIT_MEMLOCK/,
  })
})

test('killed in the middle it leaves nothing', root, async t => {
  const [T, P] = deliveringPair(t)
  const links = () => listLinks({ netns: T.netns }).map(({ name, mtu, xdp }) => [name, mtu, xdp?.mode])
  const before = links()
  const index = new URL(`../../src/index${EXTENSION}`, import.meta.url)
  const code = `
    const { device } = await import(${JSON.stringify(index)})
    const T = device('T', { netns: '/proc/${process.pid}/fd/${ownFd(T)}' })
    for (;;) console.log((await T.probeRedirect({ by: 'veth', frames: 100000 })).delivered)`
  const received = () => P.getLink().stats!.rxPackets
  const child = spawn(process.execPath, [...LOADER, '--input-type=module', '-e', code], {
    stdio: 'inherit',
  })
  const deadline = performance.now() + 60_000
  while (received() < 500n) {
    assert.ok(performance.now() < deadline && child.exitCode === null, 'the child sends no frames')
    await sleep(10)
  }
  child.kill('SIGKILL')
  await once(child, 'exit')
  // What was on its way still comes, and IPv6 sends a frame of its own now and then; a probe sends thousands meanwhile.
  const end = performance.now() + 10_000
  for (let had = -10n; received() - had >= 10n; await sleep(100)) {
    assert.ok(performance.now() < end, 'somebody still sends')
    had = received()
  }
  assert.deepEqual(links(), before)
  T.delete()
  assert.deepEqual(links(), [['lo', 65536, 'none']])
})

function ownFd({ netns }: Device): string {
  return netns.path.slice(netns.path.lastIndexOf('/') + 1)
}

function refOf({ netns }: Device): DeviceRef {
  return { netns, device: 'T' }
}
