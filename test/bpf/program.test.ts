import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { closeDescriptor, openPinned, withDescriptor } from '../../src/bpf/descriptor.ts'
import { exit, mov, R0 } from '../../src/bpf/instruction.ts'
import { getProgramInfo, loadProgram, openProgram, type ProgramSource } from '../../src/bpf/program.ts'
import { ProgramError } from '../../src/bpf/program-error.ts'
import { xdpDrop, xdpPass, xdpRedirect } from '../../src/bpf/programs.ts'
import { testRunXdp } from '../../src/bpf/test-run.ts'
import { SystemError } from '../../src/wire/errors.ts'
import { OWN_NETNS } from '../../src/wire/netns.ts'
import { FRAME, noBpf, real } from './lab.ts'
import { buffer, play, u32 } from './scripted.ts'

const EPERM = -1
const EAGAIN = -11
const EACCES = -13
const EINVAL = -22
const ENOSPC = -28

/** union bpf_attr of BPF_PROG_LOAD. */
const LOG_LEVEL = 24
const LOG_SIZE = 28
const LOG_BUF = 32

/** Uses r0 without having set it. */
const BAD: ProgramSource = { type: 'XDP', name: 'bad', license: 'MIT', code: [exit()] }

describe('the real verifier', () => {
  /** With its result: enum xdp_action. */
  const programs = [
    ['xdpPass', xdpPass(), 2],
    ['xdpDrop', xdpDrop(), 1],
    ['xdpRedirect', xdpRedirect(1), 4],
  ] as const
  for (const [what, source, action] of programs) {
    test(`takes ${what}, which returns ${action}`, { skip: noBpf }, () => {
      const result = real(withDescriptor(loadProgram(source), fd => testRunXdp(fd, FRAME, OWN_NETNS)))
      assert.equal(result, action)
    })
  }

  test('refuses a bad program in words', { skip: noBpf }, () => {
    assert.throws(
      () => real(loadProgram(BAD)),
      (error: unknown) => {
        assert(error instanceof ProgramError)
        assert.equal(error.code, 'EACCES')
        assert.equal(error.errno, EACCES)
        assert.equal(error.syscall, 'bpf BPF_PROG_LOAD')
        assert.match(error.log, /R0 !read_ok/)
        assert.match(error.message, /^EACCES: .*bad: R0 !read_ok$/)
        return true
      },
    )
  })

  test('a program is found again by its id', { skip: noBpf }, () => {
    const [info, again] = real(
      withDescriptor(loadProgram(xdpPass()), function* (fd) {
        const info = yield* getProgramInfo(fd)
        return [info, yield* withDescriptor(openProgram(info.id), getProgramInfo)] as const
      }),
    )
    assert.equal(info.type, 6) // BPF_PROG_TYPE_XDP
    assert.equal(info.name, 'veth_nl_pass')
    assert(info.id > 0)
    assert.deepEqual(again, info)
    assert.throws(() => real(openProgram(info.id)), { code: 'ENOENT', syscall: 'bpf BPF_PROG_GET_FD_BY_ID' })
  })
})

test('a pinned program is opened by its path', () => {
  const { asked, outcome } = play(openPinned('/sys/fs/bpf/x'), question => {
    assert.equal(new TextDecoder().decode(buffer(question, 0)!), '/sys/fs/bpf/x\0')
    return 7
  })
  assert.deepEqual(asked, ['bpf 7']) // BPF_OBJ_GET
  assert.equal(outcome, 7)
})

test('nothing is pinned where nothing is', { skip: noBpf }, () => {
  assert.throws(() => real(openPinned('/sys/fs/bpf/none')), { code: 'ENOENT', syscall: 'bpf BPF_OBJ_GET' })
})

describe('loading', () => {
  test('asks for no log when all is well', () => {
    const levels: number[] = []
    const { outcome } = play(loadProgram(BAD), question => {
      levels.push(u32(question, LOG_LEVEL))
      assert.equal(buffer(question, LOG_BUF), null)
      return 7
    })
    assert.equal(outcome, 7)
    assert.deepEqual(levels, [0])
  })

  test('gives the log more room, up to 1 MB', () => {
    const sizes: number[] = []
    const { outcome } = play(loadProgram(BAD), question => {
      const size = u32(question, LOG_SIZE)
      sizes.push(size)
      if (size === 0) return EACCES
      buffer(question, LOG_BUF)!.set(new TextEncoder().encode('the end\nprocessed 1 insns (limit 1000000)\n'))
      return ENOSPC
    })
    assert.deepEqual(sizes, [0, 1 << 14, 1 << 16, 1 << 18, 1 << 20])
    assert(outcome instanceof ProgramError)
    assert.equal(outcome.code, 'EACCES')
    assert.match(outcome.message, /bad: the end$/)
  })

  test('names the reason, not what newer kernels advise after it', () => {
    const log = `0: (95) exit
R0 !read_ok

Verification failed: Register Type Safety: Unreadable register

Suggestion:
  Initialize R0 on every path before this instruction.

processed 1 insns (limit 1000000) max_states_per_insn 0
`
    const { outcome } = play(loadProgram(BAD), question => {
      if (u32(question, LOG_SIZE) !== 0) buffer(question, LOG_BUF)!.set(new TextEncoder().encode(log))
      return EACCES
    })
    assert(outcome instanceof ProgramError)
    assert.match(outcome.message, /bad: R0 !read_ok$/)
    assert.match(outcome.log, /Suggestion/)
  })

  test('is a plain error when the verifier never saw the program', () => {
    const { outcome } = play(loadProgram(BAD), () => EPERM)
    assert(outcome instanceof SystemError && !(outcome instanceof ProgramError))
    assert.equal(outcome.code, 'EPERM')
    assert.equal(outcome.syscall, 'bpf BPF_PROG_LOAD')
    assert.match(outcome.message, /needs CAP_BPF and CAP_NET_ADMIN for XDP.*RLIMIT_MEMLOCK/)
  })

  test('lets an error of the way into a namespace be', () => {
    const failed = new SystemError(EPERM, 'setns')
    const operation = loadProgram(BAD)
    operation.next()
    assert.throws(() => operation.next({ failed: new TypeError('no shim') }), new TypeError('no shim'))
    const step = testRunXdp(3, FRAME, OWN_NETNS)
    step.next()
    assert.throws(() => step.next({ failed }), failed)
  })

  test('is tried again when a signal disturbed it, five times at most', () => {
    assert.equal(play(loadProgram(BAD), (_question, nth) => (nth < 4 ? EAGAIN : 7)).outcome, 7)
    const { asked, outcome } = play(loadProgram(BAD), () => EAGAIN)
    assert.equal(asked.length, 10) // without the log, then with it
    assert.equal((outcome as SystemError).code, 'EAGAIN')
  })

  test('refuses a name that the kernel would refuse, and cuts a long one', () => {
    assert(play(loadProgram({ ...BAD, name: 'no spaces' }), () => 7).outcome instanceof TypeError)
    play(loadProgram({ ...BAD, name: 'a_name_of_20_letters' }), question => {
      assert.equal(new TextDecoder().decode(question.attr.subarray(48, 64)), 'a_name_of_20_le\0')
      return 7
    })
  })
})

describe('withDescriptor', () => {
  test('closes after success and after failure', () => {
    const { asked } = play(
      withDescriptor(loadProgram(BAD), fd => getProgramInfo(fd)),
      (_question, nth) => (nth === 0 ? 7 : EINVAL),
    )
    assert.deepEqual(asked, ['bpf 5', 'bpf 15', 'close 7'])
  })

  test('closes nothing when nothing was opened', () => {
    assert.deepEqual(play(withDescriptor(openProgram(1), closeDescriptor), () => EPERM).asked, ['bpf 13'])
  })
})

test('a result is 32 bits without a sign', { skip: noBpf }, () => {
  const source: ProgramSource = { type: 'XDP', name: 'answer', license: 'MIT', code: [mov(R0, -1), exit()] }
  const result = real(withDescriptor(loadProgram(source), fd => testRunXdp(fd, FRAME, OWN_NETNS)))
  assert.equal(result, 0xffffffff)
})
