import assert from 'node:assert/strict'
import { execFileSync, execSync, spawnSync } from 'node:child_process'
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Worker } from 'node:worker_threads'
import { loadShim, shimFile } from '../../src/kernel/shim.ts'
import { descriptors, openedSince } from '../tools/descriptors.ts'
import { EXTENSION, needsNoKernel, needsTime, often } from '../tools/this-run.ts'

const shim = loadShim()
const root = { skip: process.getuid?.() === 0 ? false : 'needs root' }

const EPERM = -1
const ENXIO = -6
const E2BIG = -7
const EBADF = -9
const REDIRECT_ERR = '/sys/kernel/tracing/events/xdp/xdp_redirect_err/id'
const EBUSY = -16
const EINVAL = -22
const EMSGSIZE = -90
const EPROTONOSUPPORT = -93
const ENETDOWN = -100
const ENOBUFS = -105
const ETIMEDOUT = -110

const NETLINK_ROUTE = 0
const OWN = -1
const RTM = { NEWLINK: 16, GETLINK: 18 }
const NLMSG = { ERROR: 2, DONE: 3 }
const FLAG = { REQUEST: 1, ACK: 4, DUMP: 0x300, CREATE: 0x400 }

/** struct nlmsghdr, struct ifinfomsg, attributes. */
function linkMessage(type: number, flags: number, index = 0, attributes = Buffer.alloc(0)): Buffer {
  const message = Buffer.concat([Buffer.alloc(32), attributes])
  message.writeUInt32LE(message.length, 0)
  message.writeUInt16LE(type, 4)
  message.writeUInt16LE(flags, 6)
  message.writeUInt32LE(7, 8)
  message.writeInt32LE(index, 20)
  return message
}

const GET_LO = linkMessage(RTM.GETLINK, FLAG.REQUEST, 1)
const DUMP_LINKS = linkMessage(RTM.GETLINK, FLAG.REQUEST | FLAG.DUMP)
/** IFLA_LINKINFO { IFLA_INFO_KIND: "veth" }; the kernel chooses both names. */
const NEW_VETH = linkMessage(
  RTM.NEWLINK,
  FLAG.REQUEST | FLAG.ACK | FLAG.CREATE,
  0,
  Buffer.from([12, 0, 18, 0, 8, 0, 1, 0, ...Buffer.from('veth')]),
)

const buffer = Buffer.alloc(65536)
const datagrams = new Uint32Array(32)

const exchange = (handle: number, request: Uint8Array | null, timeoutMs = 1000) =>
  shim.exchange(handle, request, buffer, datagrams, timeoutMs)

const exchangeOnPool = (handle: number, request: Uint8Array | null, timeoutMs = 1000) =>
  new Promise<number>(done => {
    assert.equal(shim.exchange(handle, request, buffer, datagrams, timeoutMs, done), 0)
  })

function openSocket(netns = OWN): number {
  const handle = shim.openSocket(netns, NETLINK_ROUTE)
  assert.ok(handle >= 0, `openSocket: ${handle}`)
  return handle
}

/** The messages' type and ifindex (or errno), datagram by datagram, as the last exchange left them. */
function messages(count: number): { type: number; index: number }[] {
  const found: { type: number; index: number }[] = []
  for (let i = 0; i < count; i++) {
    let [at, length] = [datagrams[2 * i]!, datagrams[2 * i + 1]!]
    for (const end = at + length; at < end; at += (buffer.readUInt32LE(at) + 3) & ~3) {
      const type = buffer.readUInt16LE(at + 4)
      found.push({ type, index: buffer.readInt32LE(at + (type === RTM.NEWLINK ? 20 : 16)) })
    }
  }
  return found
}

function dumpLinks(handle: number): number[] {
  const indexes: number[] = []
  for (let request: Buffer | null = DUMP_LINKS; ; request = null) {
    const count = exchange(handle, request)
    assert.ok(count > 0, `dump: ${count}`)
    for (const { type, index } of messages(count)) {
      if (type === NLMSG.DONE) return indexes
      assert.equal(type, RTM.NEWLINK)
      indexes.push(index)
    }
  }
}

/** Runs with a descriptor of a new namespace, which ends with it. */
function inNewNetns(body: (netns: number) => void): void {
  const netns = shim.createNetns('')
  assert.ok(netns >= 0, `createNetns: ${netns}`)
  try {
    assert.notEqual(statSync(`/proc/self/fd/${netns}`).ino, statSync('/proc/self/ns/net').ino)
    body(netns)
  } finally {
    closeSync(netns)
  }
}

const sockets = () => descriptors().filter(open => open.includes(' socket:'))
const threads = () => readdirSync('/proc/self/task')
const block = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)

/** Runs `code` in a program of its own that has `shim`, GET_LO, buffer and datagrams; what it returns, by JSON. */
function inChild(code: string, through: string[] = []): unknown {
  const prelude = `
    const shim = require(${JSON.stringify(shimFile(process.arch))}), fs = require('node:fs')
    const GET_LO = Buffer.from('${GET_LO.toString('hex')}', 'hex')
    const buffer = Buffer.alloc(65536), datagrams = new Uint32Array(32)`
  const script = `${prelude}\nconsole.log(JSON.stringify((() => { ${code} })()))`
  const [program, ...args] = [...through, process.execPath, '-e', script]
  return JSON.parse(execFileSync(program!, args, { encoding: 'utf8' }))
}

describe('exchange', () => {
  test('asks the kernel for lo', () => {
    const handle = openSocket()
    assert.equal(exchange(handle, GET_LO), 1)
    assert.equal(datagrams[0], 0)
    assert.equal(datagrams[1], buffer.readUInt32LE(0))
    assert.deepEqual(messages(1), [{ type: RTM.NEWLINK, index: 1 }])
    assert.equal(buffer.readUInt32LE(8), 7, 'sequence number')
    assert.equal(shim.closeSocket(handle), 0)
  })

  test('answers the same from the pool', async () => {
    const handle = openSocket()
    assert.equal(exchange(handle, GET_LO), 1)
    const sync = Buffer.from(buffer.subarray(0, 48))
    buffer.fill(0)
    assert.equal(await exchangeOnPool(handle, GET_LO), 1)
    assert.deepEqual(buffer.subarray(0, 48), sync)
    shim.closeSocket(handle)
    const other = openSocket()
    assert.equal(await new Promise(done => shim.closeSocket(other, done)), 0)
    assert.equal(await exchangeOnPool(other, GET_LO), EBADF)
  })

  test('keeps what it works on alive while on the pool, and no longer', async () => {
    setFlagsFromString('--expose-gc')
    const collectGarbage = runInNewContext('gc') as () => void
    const handle = openSocket()
    const start = () => {
      const [room, words] = [new Uint8Array(100_000), new Uint32Array(3)]
      const result = new Promise(done => shim.exchange(handle, null, room, words, 100, done))
      return { result, refs: [new WeakRef(room), new WeakRef(words)] }
    }
    const { result, refs } = start()
    await sleep(20)
    collectGarbage()
    for (const ref of refs) assert.ok(ref.deref())
    assert.equal(await result, ETIMEDOUT)
    await sleep(20)
    collectGarbage()
    for (const ref of refs) assert.equal(ref.deref(), undefined)
    shim.closeSocket(handle)
  })

  test('waits no longer than told', () => {
    const handle = openSocket()
    for (const limit of [0, 120]) {
      const start = performance.now()
      assert.equal(exchange(handle, null, limit), ETIMEDOUT)
      const took = performance.now() - start
      assert.ok(took > limit - 2 && took < limit + 80, `${took} ms for ${limit}`)
    }
    shim.closeSocket(handle)
  })

  test('reports the real length of a datagram that does not fit', () => {
    const handle = openSocket()
    const small = new Uint8Array(64)
    assert.equal(shim.exchange(handle, GET_LO, small, datagrams, 1000), 1)
    assert.ok(datagrams[1]! > 500, `${datagrams[1]}`)
    assert.equal(Buffer.from(small.buffer).readUInt32LE(0), datagrams[1])
    shim.closeSocket(handle)
  })

  test('refuses a second one on a busy socket, and closes it only afterwards', async () => {
    const before = sockets()
    const handle = openSocket()
    const waiting = exchangeOnPool(handle, null, 300)
    await sleep(100)
    assert.equal(exchange(handle, GET_LO), EBUSY)
    assert.equal(shim.closeSocket(handle), 0)
    assert.equal(shim.closeSocket(handle), EBADF)
    assert.equal(exchange(handle, GET_LO), EBADF)
    assert.equal(sockets().length, before.length + 1)
    assert.equal(await waiting, ETIMEDOUT)
    assert.deepEqual(sockets(), before)
  })

  test('takes many datagrams of a dump at once, as far as there is room', root, () => {
    inNewNetns(netns => {
      const handle = openSocket(netns)
      assert.deepEqual(dumpLinks(handle), [1], "a broken shim must not get at the machine's own links")
      for (let i = 0; i < 40; i++) {
        assert.equal(exchange(handle, NEW_VETH), 1)
        assert.deepEqual(messages(1), [{ type: NLMSG.ERROR, index: 0 }])
      }
      assert.equal(new Set(dumpLinks(handle)).size, 81)

      const large = Buffer.alloc(1 << 20)
      const count = shim.exchange(handle, DUMP_LINKS, large, datagrams, 1000)
      assert.ok(count > 2, `${count} datagrams`)
      for (let i = 0, end = 0; i < count; i++) {
        assert.equal(datagrams[2 * i], (end + 3) & ~3)
        end = datagrams[2 * i]! + datagrams[2 * i + 1]!
      }
      assert.equal(exchange(handle, null, 0), ETIMEDOUT, 'all of it was taken')

      const words = new Uint32Array(5).fill(0xffffffff)
      assert.equal(shim.exchange(handle, DUMP_LINKS, large, words, 1000), 2)
      assert.deepEqual([...words.subarray(4)], [0xffffffff])
      const noRoomForMore = large.subarray(0, 32768 + 100)
      assert.equal(shim.exchange(handle, null, noRoomForMore, datagrams, 1000), 1)
      shim.closeSocket(handle)
    })
  })
})

function takesNoSignals(thread: string): boolean {
  const status = readFileSync(`/proc/self/task/${thread}/status`, 'utf8')
  const blocked = BigInt(`0x${/SigBlk:\s*(\w+)/.exec(status)?.[1]}`)
  return [1, 2, 10, 15, 17].every(signal => blocked & (1n << BigInt(signal - 1)))
}

/** Node has such threads of its own. */
const silentAtFirst = threads().filter(takesNoSignals).length

describe('sockets', () => {
  test('a handle is never valid again', () => {
    const first = openSocket()
    assert.equal(shim.closeSocket(first), 0)
    const second = openSocket()
    assert.notEqual(first, second)
    for (const stale of [first, 0, -5, 2 ** 40]) {
      assert.equal(exchange(stale, GET_LO), EBADF)
      assert.equal(shim.closeSocket(stale), EBADF)
    }
    assert.equal(exchange(second, GET_LO), 1)
    shim.closeSocket(second)
  })

  test('an idle one is closed while JavaScript is blocked, by one thread that takes no signals', {
    skip: needsTime,
  }, () => {
    block(1000)
    const before = sockets()
    for (let round = 0; round < 2; round++) {
      const handle = openSocket()
      exchange(handle, GET_LO)
      assert.equal(sockets().length, before.length + 1)
      block(50) // glibc starts every thread with its signals blocked
      assert.equal(threads().filter(takesNoSignals).length, silentAtFirst + 1)
      block(1200)
      assert.deepEqual(sockets(), before)
      assert.equal(exchange(handle, GET_LO), EBADF)
    }
  })

  test('one in use is not idle', { skip: needsTime }, async () => {
    const handle = openSocket()
    assert.equal(await exchangeOnPool(handle, null, 1000), ETIMEDOUT)
    assert.equal(exchange(handle, GET_LO), 1)
    for (let i = 0; i < 8; i++) {
      block(100)
      assert.equal(exchange(handle, GET_LO), 1)
    }
    shim.closeSocket(handle)
  })

  test('a 513th takes the place of the longest idle', { skip: needsTime }, () => {
    const handles = Array.from({ length: 512 }, () => openSocket())
    block(5)
    assert.equal(exchange(handles[0]!, GET_LO), 1)
    const before = sockets().length
    handles.push(openSocket())
    assert.equal(sockets().length, before)
    const valid = handles.filter(handle => shim.closeSocket(handle) === 0)
    assert.equal(valid.length, 512)
    assert.ok(valid.includes(handles[0]!))
  })

  test('2,000 leave no descriptor behind', () => {
    const netns = process.getuid?.() === 0 ? shim.createNetns('') : OWN
    const before = descriptors()
    for (let i = 0; i < 2000; i++) {
      const handle = openSocket(i % 2 ? netns : OWN)
      assert.equal(exchange(handle, GET_LO), 1)
      assert.equal(shim.closeSocket(handle), 0)
    }
    assert.deepEqual(openedSince(before), [])
    if (netns !== OWN) closeSync(netns)
  })

  test('the kernel says which protocols there are', () => {
    assert.equal(shim.openSocket(OWN, 31), EPROTONOSUPPORT)
  })
})

describe('namespaces', () => {
  const ownNetns = () => readlinkSync('/proc/thread-self/ns/net')

  test('a new one has a close-on-exec descriptor, and lo only', root, () => {
    const before = ownNetns()
    inNewNetns(netns => {
      assert.match(readFileSync(`/proc/self/fdinfo/${netns}`, 'utf8'), /flags:\s+02\d{6}\n/)
      const handle = openSocket(netns)
      assert.deepEqual(dumpLinks(handle), [1])
      shim.closeSocket(handle)
    })
    assert.equal(ownNetns(), before)
  })

  test('a new one is bound to a file, until unmounted', root, () => {
    const folder = mkdtempSync(join(tmpdir(), 'veth-nl-'))
    const file = join(folder, 'blue')
    try {
      assert.equal(shim.createNetns(file), -2, 'ENOENT')
      writeFileSync(file, '')
      const plain = statSync(file).ino
      assert.equal(shim.createNetns(file), 0)
      assert.notEqual(statSync(file).ino, plain)
      const netns = openSync(file, 'r')
      const handle = openSocket(netns)
      closeSync(netns)
      assert.deepEqual(dumpLinks(handle), [1])
      shim.closeSocket(handle)
      assert.equal(shim.unmount(file), 0)
      assert.equal(statSync(file).ino, plain)
      assert.equal(shim.unmount(file), EINVAL, 'no mount any more')
    } finally {
      shim.unmount(file)
      rmSync(folder, { recursive: true })
    }
  })

  test('on the pool, too', root, async () => {
    const before = ownNetns()
    const netns = await new Promise<number>(done => shim.createNetns('', done))
    const handle = await new Promise<number>(done => shim.openSocket(netns, NETLINK_ROUTE, done))
    closeSync(netns)
    assert.ok(handle > 0)
    assert.deepEqual(dumpLinks(handle), [1])
    shim.closeSocket(handle)
    assert.equal(ownNetns(), before)
  })

  test('the own one can be given by descriptor; other files cannot', root, () => {
    const own = openSync('/proc/self/ns/net', 'r')
    assert.equal(shim.closeSocket(openSocket(own)), 0)
    closeSync(own)
    assert.equal(shim.openSocket(own, NETLINK_ROUTE), EBADF)
    const file = openSync('/proc/self/ns/mnt', 'r')
    assert.equal(shim.openSocket(file, NETLINK_ROUTE), EINVAL)
    closeSync(file)
  })

  test('without privilege they are refused, and the own one works', () => {
    const code = `
      const own = fs.openSync('/proc/self/ns/net'), attr = new Uint8Array(64)
      if (process.getuid() === 0) {
        process.setgroups([])
        process.setgid(65534)
        process.setuid(65534)
      }
      const BPF_PROG_GET_NEXT_ID = 11, handle = shim.openSocket(-1, 0)
      return [shim.createNetns(''), shim.unmount('/proc'), shim.openSocket(own, 0), shim.bpf(own, BPF_PROG_GET_NEXT_ID, attr, []),
        shim.bpf(-1, BPF_PROG_GET_NEXT_ID, attr, []), shim.exchange(handle, GET_LO, buffer, datagrams, 1000)]`
    assert.deepEqual(inChild(code), [EPERM, EPERM, EPERM, EPERM, EPERM, 1])
  })

  const unshare = ['unshare', '--user', '--map-root-user']
  const refused = spawnSync(unshare[0]!, [...unshare.slice(1), 'true'], { encoding: 'utf8' })
  const userNamespaces = { skip: refused.status === 0 ? false : `needs user namespaces: ${refused.stderr}` }
  const enterOther = `
    const here = () => fs.readlinkSync('/proc/thread-self/ns/net')
    const own = fs.openSync('/proc/self/ns/net'), before = here()
    const wayBack = shim.openSocket(own, 0) > 0
    const netns = shim.createNetns(''), handle = shim.openSocket(netns, 0)
    const count = shim.exchange(handle, GET_LO, buffer, datagrams, 1000)
    const up = (buffer.readUInt32LE(24) & 1) === 1 // lo of a new namespace is down
    const badDescriptor = shim.openSocket(99, 0)
    return { wayBack, count, up, badDescriptor, stayed: here() === before }`

  test('where there is no way back, a thread is spent', userNamespaces, () => {
    assert.deepEqual(inChild(enterOther, unshare), {
      wayBack: false,
      count: 1,
      up: false,
      badDescriptor: EBADF,
      stayed: true,
    })
  })

  test('in a user namespace with a way back', userNamespaces, () => {
    assert.deepEqual(inChild(enterOther, [...unshare, '--net']), {
      wayBack: true,
      count: 1,
      up: false,
      badDescriptor: EBADF,
      stayed: true,
    })
  })
})

describe('bpf', () => {
  const BPF_PROG_LOAD = 5
  const BPF_PROG_GET_NEXT_ID = 11
  /** r0 = 0; exit */
  const program = Buffer.from('b7000000000000009500000000000000', 'hex')
  const license = Buffer.from('GPL\0')

  /** union bpf_attr: prog_type, insn_cnt, insns at 8, license at 16. */
  function loadAttr(): Buffer {
    const attr = Buffer.alloc(48)
    attr.writeUInt32LE(1, 0) // BPF_PROG_TYPE_SOCKET_FILTER
    attr.writeUInt32LE(2, 4)
    attr.fill(0xaa, 8, 24)
    return attr
  }

  test('loads a program from the arrays pointed to, and keeps no address', root, async () => {
    const [attr, again] = [loadAttr(), loadAttr()]
    const fd = shim.bpf(OWN, BPF_PROG_LOAD, attr, [8, program, 16, license])
    assert.ok(fd >= 0, `${fd}`)
    closeSync(fd)
    assert.deepEqual(attr.subarray(8, 24), Buffer.alloc(16))

    const pooled = new Promise<number>(done =>
      shim.bpf(OWN, BPF_PROG_LOAD, again, [8, program, 16, license], done),
    )
    closeSync(await pooled)
    assert.deepEqual(again.subarray(8, 24), Buffer.alloc(16))
  })

  test('lets a struct behind the attributes point to arrays too', root, async () => {
    const BPF_OBJ_GET_INFO_BY_FD = 15
    const fd = shim.bpf(OWN, BPF_PROG_LOAD, loadAttr(), [8, program, 16, license])
    const ask = (done?: (result: number) => void) => {
      // union bpf_attr: bpf_fd, info_len, info; struct bpf_prog_info: xlated_prog_len at 20, xlated_prog_insns at 32.
      const attr = Buffer.alloc(16 + 40)
      attr.writeUInt32LE(fd, 0)
      attr.writeUInt32LE(40, 4)
      attr.writeUInt32LE(program.length, 16 + 20)
      attr.fill(0xaa, 16 + 32)
      const instructions = Buffer.alloc(program.length)
      const pointers = [8, attr.subarray(16), 16 + 32, instructions]
      const result = done
        ? shim.bpf(OWN, BPF_OBJ_GET_INFO_BY_FD, attr, pointers, done)
        : shim.bpf(OWN, BPF_OBJ_GET_INFO_BY_FD, attr, pointers)
      return { result, attr, instructions }
    }
    const check = ({ attr, instructions }: ReturnType<typeof ask>) => {
      assert.deepEqual(instructions, program)
      assert.equal(attr.readUInt32LE(16), 1) // type: BPF_PROG_TYPE_SOCKET_FILTER
      assert.deepEqual([attr.readBigUInt64LE(8), attr.readBigUInt64LE(16 + 32)], [0n, 0n])
    }
    const here = ask()
    assert.equal(here.result, 0)
    check(here)
    let pooled = here
    assert.equal(
      await new Promise(done => {
        pooled = ask(done)
      }),
      0,
    )
    check(pooled)
    closeSync(fd)
  })

  test('hands back what the kernel writes, from within a namespace as well', root, () => {
    const held = shim.bpf(OWN, BPF_PROG_LOAD, loadAttr(), [8, program, 16, license])
    inNewNetns(netns => {
      const attr = Buffer.alloc(12)
      assert.equal(shim.bpf(netns, BPF_PROG_GET_NEXT_ID, attr, []), 0)
      assert.ok(attr.readUInt32LE(4) > 0)
    })
    assert.equal(shim.bpf(held + 1000, BPF_PROG_GET_NEXT_ID, Buffer.alloc(12), []), EBADF)
    closeSync(held)
  })

  test('bounds', () => {
    for (const pointers of [
      [41, program],
      [-1, program],
      [8],
      ['8', program],
      [8, 'x'],
      Array(18).fill(program),
    ]) {
      assert.equal(shim.bpf(OWN, BPF_PROG_LOAD, loadAttr(), pointers as never), EINVAL)
    }
    assert.equal(shim.bpf(OWN, BPF_PROG_LOAD, Buffer.alloc(7), [0, program]), EINVAL)
    assert.equal(shim.bpf(OWN, 99, Buffer.alloc(513), []), E2BIG)
  })
})

describe('frames', () => {
  const LO = 1
  const FRAME = new Uint8Array(60)
  const IFF_UP = 1

  function loUp(netns: number): void {
    const request = linkMessage(RTM.NEWLINK, FLAG.REQUEST | FLAG.ACK, LO)
    request.writeUInt32LE(IFF_UP, 24)
    request.writeUInt32LE(IFF_UP, 28)
    const handle = openSocket(netns)
    assert.equal(exchange(handle, request), 1)
    assert.deepEqual(messages(1), [{ type: NLMSG.ERROR, index: 0 }])
    shim.closeSocket(handle)
  }

  const enter = (netns: number, ...command: string[]) =>
    execFileSync('nsenter', [`--net=/proc/${process.pid}/fd/${netns}`, ...command], { encoding: 'utf8' })

  /** Bytes and packets that lo received. */
  function received(netns: number): number[] {
    const [, bytes, packets] = /lo: *(\d+) +(\d+)/.exec(enter(netns, 'cat', '/proc/net/dev')) ?? []
    return [Number(bytes), Number(packets)]
  }

  test('go out of a device of another namespace, as many as wanted', root, async () => {
    const netns = shim.createNetns('')
    loUp(netns)
    const before = descriptors()
    assert.equal(shim.sendFrames(netns, LO, FRAME, 5), 5)
    const [bytes = 0, packets] = received(netns)
    assert.equal(packets, 5)
    assert.equal(await new Promise(done => shim.sendFrames(netns, LO, FRAME, 3, done)), 3)
    assert.deepEqual(received(netns), [(bytes / 5) * 8, 8])
    assert.deepEqual(openedSince(before), [])
    closeSync(netns)
  })

  test('that cannot go are an error, and leave no socket', root, () => {
    inNewNetns(netns => {
      const before = descriptors()
      assert.equal(shim.sendFrames(netns, LO, FRAME, 1), ENETDOWN)
      loUp(netns)
      assert.equal(shim.sendFrames(netns, 99, FRAME, 1), ENXIO)
      assert.equal(shim.sendFrames(netns, LO, new Uint8Array(13), 1), EINVAL)
      assert.equal(shim.sendFrames(netns, LO, new Uint8Array(65536 + 19), 1), EMSGSIZE)
      assert.equal(shim.sendFrames(netns + 1000, LO, FRAME, 1), EBADF)
      assert.deepEqual(openedSince(before), [])
      assert.deepEqual(received(netns), [0, 0])
    })
  })

  const tc = root.skip || (spawnSync('tc', ['-V']).status === 0 ? false : 'needs tc, of iproute2')
  test('that a device keeps refusing are given up soon', { skip: tc }, () => {
    inNewNetns(netns => {
      loUp(netns)
      enter(netns, ...'tc qdisc add dev lo root bfifo limit 100'.split(' '))
      assert.equal(shim.sendFrames(netns, LO, FRAME, 2), 2)
      const start = performance.now()
      assert.equal(shim.sendFrames(netns, LO, new Uint8Array(200), 2), ENOBUFS)
      assert.ok(performance.now() - start < 1000)
    })
  })
})

test(
  'a tracepoint that is not there, or without a program, is an error and leaves nothing open',
  root,
  () => {
    const before = descriptors()
    const NO_SUCH = 2 ** 30
    assert.ok(shim.openTracepoint(0, NO_SUCH) < 0)
    // Not 1, which is everywhere: that is ftrace:function, for which the kernel patches all its functions.
    if (existsSync(REDIRECT_ERR)) {
      assert.equal(shim.openTracepoint(OWN, Number(readFileSync(REDIRECT_ERR, 'utf8'))), EBADF)
    } else {
      assert.ok(shim.openTracepoint(OWN, 1) < 0)
    }
    assert.deepEqual(openedSince(before), [])
  },
)

test('wrong arguments are EINVAL', () => {
  const { createNetns, openSocket, exchange, closeSocket, unmount, sendFrames, openTracepoint } =
    shim as unknown as Record<string, (...args: unknown[]) => number>
  const words = new Uint32Array(2)
  const calls = [
    createNetns!(),
    createNetns!(5),
    createNetns!('', 'not a function'),
    createNetns!('\0'),
    unmount!('/'.padEnd(5000, 'x')),
    openTracepoint!(),
    openTracepoint!(0),
    openTracepoint!(0, 'xdp'),
    openSocket!(),
    openSocket!('own', 0),
    openSocket!(-2, 0),
    openSocket!(-1, 0n),
    openSocket!(-1, 0, null),
    closeSocket!('x'),
    exchange!(1, undefined, buffer, words, 0),
    exchange!(1, 'x', buffer, words, 0),
    exchange!(1, null, new Uint16Array(4), words, 0),
    exchange!(1, null, buffer, new Uint32Array(1), 0),
    exchange!(1, null, buffer, new Int32Array(3), 0),
    exchange!(1, null, buffer, words),
    exchange!(1, null, buffer, words, 2 ** 31),
    exchange!(1, null, buffer, words, 0, 'not a function'),
    sendFrames!(-1, 1, 'x', 1),
    sendFrames!(-1, 1, null, 1),
    sendFrames!(-1, 1, buffer),
    sendFrames!(-1, 1, buffer, 0),
    sendFrames!(-1, 1, buffer, 1n),
    sendFrames!(-1, 1, buffer, 1, 'not a function'),
  ]
  assert.deepEqual(
    calls,
    calls.map(() => EINVAL),
  )
})

test('worker threads come and go, exchanges in flight', async () => {
  const code = `
    const { parentPort, workerData } = require('node:worker_threads')
    const shim = require(workerData.file)
    const buffer = new Uint8Array(65536), datagrams = new Uint32Array(32)
    const handle = shim.openSocket(-1, 0)
    const sync = shim.exchange(handle, workerData.request, buffer, datagrams, 1000)
    const again = () => shim.exchange(handle, null, buffer, datagrams, workerData.wait, again)
    again()
    parentPort.postMessage(sync)
    setInterval(() => shim.openSocket(-1, 0), 1)`
  block(1000) // sockets that earlier tests left idle
  const before = descriptors()
  const rounds = often(15, 2)
  for (let i = 0; i < rounds; i++) {
    const workers = Array.from({ length: 4 }, (_, j) => {
      const workerData = { file: shimFile(process.arch), request: GET_LO, wait: j * 10 }
      return new Worker(code, { eval: true, workerData })
    })
    const answers = workers.map(worker => new Promise(done => worker.once('message', done)))
    assert.deepEqual(await Promise.all(answers), [1, 1, 1, 1])
    await sleep(i)
    await Promise.all(workers.map(worker => worker.terminate()))
  }
  assert.deepEqual(openedSince(before), [])
})

test('where the shim is missing, the error has the line that builds it', {
  skip: needsNoKernel,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'veth-nl-'))
  try {
    const source = `src/kernel/shim${EXTENSION}`
    for (const file of [source, `src/kernel/node${EXTENSION}`]) {
      cpSync(new URL(`../../${file}`, import.meta.url), join(folder, file))
    }
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    cpSync(new URL('../../bpf/sock.c', import.meta.url), join(folder, 'bpf/sock.c'))
    const elsewhere: typeof import('../../src/kernel/shim.ts') = await import(join(folder, source))
    const file = join(folder, `prebuilds/linux-${process.arch}/sock.node`)
    let line = ''
    assert.throws(elsewhere.loadShim, (error: NodeJS.ErrnoException) => {
      line = error.message.split('\n').at(-1)!
      return error.code === 'ERR_VETH_NL_SHIM' && error.message.includes(file)
    })
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, 'no ELF')
    assert.throws(elsewhere.loadShim, { code: 'ERR_VETH_NL_SHIM', message: /does not load/ })
    if (spawnSync('cc', ['--version']).status !== 0) return
    execSync(line)
    const handle = elsewhere.loadShim().openSocket(OWN, NETLINK_ROUTE)
    assert.equal(elsewhere.loadShim().closeSocket(handle), 0)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
