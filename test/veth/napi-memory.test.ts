import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setChannels } from '../../src/ethtool/channels.ts'
import { setFeature } from '../../src/ethtool/features.ts'
import { PromiseKernel } from '../../src/kernel/async-kernel.ts'
import { run, runSync } from '../../src/kernel/kernel.ts'
import { SyncKernel } from '../../src/kernel/sync-kernel.ts'
import { listNapi } from '../../src/netdev/napi.ts'
import { getLink, newLink, setLink } from '../../src/rtnetlink/link-operations.ts'
import { device, type NetnsHandle, xdpPass } from '../../src/sync.ts'
import { readNapiFromMemory } from '../../src/veth/napi-memory.ts'
import type { IndexRef } from '../../src/wire/device-ref.ts'
import { SystemError } from '../../src/wire/errors.ts'
import { LITTLE_ENDIAN } from '../../src/wire/netlink.ts'
import { OWN_NETNS } from '../../src/wire/netns.ts'
import type { Answer, Ask } from '../../src/wire/operation.ts'
import { blob, INT, info, PTR, STRUCT, stringSection } from '../bpf/btf-blob.ts'
import { kernelHas, noBpf, noKernelBtf } from '../bpf/lab.ts'
import { buffer, u32 } from '../bpf/scripted.ts'
import { descriptors, openedSince } from '../tools/descriptors.ts'
import { inNetns, needsRoot, ownNetns } from '../tools/netns.ts'
import { real } from '../tools/real.ts'
import { vethIn } from '../tools/veth.ts'

const without =
  needsRoot || noBpf || noKernelBtf || (kernelHas(5, 13) ? false : 'needs NAPI by GRO, Linux 5.13')
const tellsNapi = kernelHas(6, 8)
const NO_NAPI = [false]

/** Both ends up, in one namespace or two. */
function pairOf(netns: NetnsHandle, queues = 1, peerNetns = netns): { own: IndexRef; peer: IndexRef } {
  const ends = { numRxQueues: queues, numTxQueues: queues }
  if (peerNetns === netns) vethIn(netns, ends)
  else {
    const peer = { ...ends, name: 'vb', netns: peerNetns }
    real(newLink(netns, { ...ends, name: 'va', linkinfo: { kind: 'veth', data: { peer } } }))
  }
  const refs = [
    { netns, device: 'va' },
    { netns: peerNetns, device: 'vb' },
  ]
  for (const ref of refs) real(setLink(ref, { up: true }))
  const [own, peer] = refs.map(ref => ({ ...ref, device: real(getLink(ref)).index }))
  return { own: own!, peer: peer! }
}

/** What memory says, which must be what the kernel itself says where it does. */
function queuesOf(ref: IndexRef): readonly boolean[] {
  const read = real(readNapiFromMemory(ref))
  if ('unavailable' in read) assert.fail(read.unavailable)
  if (tellsNapi) assert.equal(read.own.queues.filter(has => has).length, real(listNapi(ref)).length)
  assert.equal(read.own.ifindex, ref.device)
  return read.own.queues
}

describe("a veth's NAPI, out of the kernel's memory", { skip: without }, () => {
  test(
    'comes with GRO and goes with it',
    inNetns(netns => {
      const { own, peer } = pairOf(netns)
      assert.deepEqual(queuesOf(own), NO_NAPI)
      real(setFeature(own, 'gro', true))
      assert.deepEqual(queuesOf(own), [true])
      assert.deepEqual(queuesOf(peer), NO_NAPI)
      real(setFeature(own, 'gro', false))
      assert.deepEqual(queuesOf(own), NO_NAPI)
    }),
  )

  test(
    'comes with a native program',
    inNetns(netns => {
      const { own, peer } = pairOf(netns)
      const program = device(peer.device, { netns }).attachXdp(xdpPass(), { mode: 'native' })
      assert.deepEqual(queuesOf(peer), [true])
      assert.deepEqual(queuesOf(own), NO_NAPI)
      program.detach()
      assert.deepEqual(queuesOf(peer), NO_NAPI)
    }),
  )

  test(
    'is there while the device is up',
    inNetns(netns => {
      const { own } = pairOf(netns)
      real(setFeature(own, 'gro', true))
      for (const up of [false, true, false]) {
        real(setLink(own, { up }))
        assert.deepEqual(queuesOf(own), [up])
      }
    }),
  )

  test(
    'is told for each queue in use',
    inNetns(netns => {
      const { own, peer } = pairOf(netns, 3)
      real(setFeature(own, 'gro', true))
      for (const rx of [1, 3, 2]) {
        real(setChannels(own, { rx }))
        assert.deepEqual(queuesOf(own), Array(rx).fill(true))
      }
      assert.deepEqual(queuesOf(peer), [false, false, false])
    }),
  )

  test(
    'is told for more queues than one run looks at, also when the other end has fewer',
    inNetns(netns => {
      const { own, peer } = pairOf(netns, 70)
      real(setChannels(own, { rx: 64 }))
      real(setChannels(peer, { tx: 33, rx: 65 }))
      real(setFeature(peer, 'gro', true))
      assert.deepEqual(queuesOf(own), Array(64).fill(false))
      assert.deepEqual(queuesOf(peer), Array(65).fill(true))
    }),
  )

  test(
    'is told for many queues when the other end has one',
    inNetns(netns => {
      const peer = { name: 'vb', numRxQueues: 1, numTxQueues: 1 }
      real(newLink(netns, { name: 'va', numRxQueues: 70, linkinfo: { kind: 'veth', data: { peer } } }))
      for (const name of ['va', 'vb']) real(setLink({ netns, device: name }, { up: true }))
      const { index, link } = real(getLink({ netns, device: 'va' }))
      real(setFeature({ netns, device: index }, 'gro', true))
      assert.deepEqual(queuesOf({ netns, device: index }), Array(70).fill(true))
      assert.deepEqual(queuesOf({ netns, device: link }), NO_NAPI)
    }),
  )

  test('is told of a peer in another namespace, from here', t => {
    const [here, there] = [ownNetns(t), ownNetns(t)]
    // Lest the indexes be equal.
    real(newLink(there, { name: 'x', linkinfo: { kind: 'veth', data: { peer: { name: 'y' } } } }))
    const { own, peer } = pairOf(here, 2, there)
    real(setFeature(peer, 'gro', true))
    assert.deepEqual(real(readNapiFromMemory(own)), {
      own: { ifindex: own.device, queues: [false, false] },
      peer: { ifindex: peer.device, queues: [true, true] },
    })
    assert.deepEqual(queuesOf(peer), [true, true])
  })

  test(
    'is found among many devices',
    inNetns(netns => {
      // Every 256th index is in the same hash chain.
      for (const index of [1001, 1257, 1513, 1769]) {
        const peer = { name: `p${index}` }
        real(newLink(netns, { name: `v${index}`, index, linkinfo: { kind: 'veth', data: { peer } } }))
        real(setLink({ netns, device: `v${index}` }, { up: true }))
      }
      real(setFeature({ netns, device: 1257 }, 'gro', true))
      for (const index of [1001, 1257, 1513, 1769]) {
        assert.equal(queuesOf({ netns, device: index })[0], index === 1257, `${index}`)
      }
    }),
  )

  test(
    'is read on a thread of the pool as well',
    inNetns(async netns => {
      const { own } = pairOf(netns)
      real(setFeature(own, 'gro', true))
      const read = await run(readNapiFromMemory(own), new PromiseKernel())
      assert.deepEqual('own' in read && read.own.queues, [true])
    }),
  )

  test(
    'costs the types once, and no descriptor',
    inNetns(netns => {
      const { own } = pairOf(netns)
      const kernel = new SyncKernel()
      const commands: number[] = []
      const spy = {
        answer(question: Ask): Answer {
          if (question.kind === 'bpf') commands.push(question.command)
          return kernel.answer(question)
        },
      }
      runSync(readNapiFromMemory(own), spy)
      const before = descriptors()
      commands.length = 0
      runSync(readNapiFromMemory(own), spy)
      assert(!commands.includes(15)) // BPF_OBJ_GET_INFO_BY_FD
      assert.deepEqual(openedSince(before), [])
    }),
  )

  test(
    'of a device that is not there is ENODEV',
    inNetns(netns => {
      assert.throws(() => real(readNapiFromMemory({ netns, device: 4711, name: 'va' })), {
        code: 'ENODEV',
        message: /device va in netns of descriptor \d+/,
      })
    }),
  )

  test(
    'of what is no veth is none',
    inNetns(netns => {
      const read = real(readNapiFromMemory({ netns, device: 1 }))
      assert.match(
        'unavailable' in read ? read.unavailable : '',
        /does not look like a veth|could not be read/,
      )
    }),
  )

  test('in a namespace that is gone is an error', () => {
    const netns = { path: '/run/netns/none-of-that-name', inode: null }
    assert.throws(() => real(readNapiFromMemory({ netns, device: 2 })), { code: 'ENOENT' })
  })
})

test('before 5.13 it is unavailable', {
  skip: noBpf || (kernelHas(5, 13) ? 'this kernel has it' : false),
}, () => {
  const read = real(readNapiFromMemory({ netns: OWN_NETNS, device: 1 }))
  assert.match('unavailable' in read ? read.unavailable : '', /no BTF|no member 'napi'|no struct veth/)
})

describe('without the kernel', () => {
  test('unavailable says which call and which capability', () => {
    const read = runSync(readNapiFromMemory(REF), scripted({ nextId: -1 }))
    assert.match(
      'unavailable' in read ? read.unavailable : '',
      /EPERM.*BPF_BTF_GET_NEXT_ID: needs CAP_SYS_ADMIN/,
    )
  })

  test('unavailable says what the types lack', () => {
    for (const [types, reason] of [
      [{}, /no BTF: it is older than Linux 5.11, or built without/],
      [{ vmlinux: CORE.bytes }, 'there is no struct veth_priv'],
      [{ vmlinux: CORE.bytes.slice(0, 100) }, /cut short/],
    ] as const) {
      const read = runSync(readNapiFromMemory(REF), scripted({ types }))
      const unavailable = 'unavailable' in read ? read.unavailable : ''
      assert.match(unavailable, reason instanceof RegExp ? reason : new RegExp(reason))
    }
  })

  test("a module's types are those of the module that is loaded", () => {
    const kernel = scripted({ types: { vmlinux: CORE.bytes, veth: MODULE } })
    const ask = () => {
      kernel.reads.length = 0
      assert.deepEqual(runSync(readNapiFromMemory(REF), kernel), { own: NOTHING, peer: NOTHING })
      return kernel.reads
    }
    assert.deepEqual(ask(), ['vmlinux', 'veth'])
    assert.deepEqual(ask(), [])
    kernel.reload()
    assert.deepEqual(ask(), ['vmlinux', 'veth'])
  })
})

const REF: IndexRef = { netns: OWN_NETNS, device: 2 }
const NOTHING = { ifindex: 0, queues: [] }

/** Structs with the members that matter, one behind the other: [name, size] of int (1), pointer (2) or list node (3). */
function structs(n: (name: string) => number, list: Record<string, readonly (readonly [string, number])[]>) {
  return Object.entries(list).flatMap(([name, members]) => [
    n(name),
    info(STRUCT, members.length),
    16 * members.length,
    ...members.flatMap(([member, type], i) => [n(member), type, 128 * i]),
  ])
}

const [INTEGER, POINTER, NODE] = [1, 2, 3]
const CORE = (() => {
  const list = {
    task_struct: [['nsproxy', POINTER]],
    nsproxy: [['net_ns', POINTER]],
    net: [['dev_index_head', POINTER]],
    net_device: [
      ['ifindex', INTEGER],
      ['index_hlist', NODE],
      ['real_num_rx_queues', INTEGER],
    ],
  } as const
  const names = ['hlist_head', 'hlist_node', ...namesIn(list)]
  const { bytes: strings, at: n } = stringSection(names)
  const types = [0, info(INT), 4, 32, 0, info(PTR), 0, n('hlist_node'), info(STRUCT), 16]
  return { bytes: blob([...types, n('hlist_head'), info(STRUCT), 8, ...structs(n, list)], strings), strings }
})()
const MODULE = (() => {
  const list = {
    veth_priv: [
      ['peer', POINTER],
      ['rq', POINTER],
    ],
    veth_rq: [
      ['napi', POINTER],
      ['dev', POINTER],
    ],
  } as const
  const { bytes: strings, at: n } = stringSection(namesIn(list), CORE.strings.length)
  return blob(structs(n, list), strings)
})()

function namesIn(list: Record<string, readonly (readonly [string, number])[]>): string[] {
  return Object.entries(list).flatMap(([name, members]) => [name, ...members.map(([member]) => member)])
}

/** A kernel with these types by name; ids from 10 on. All else that it is asked succeeds, and finds nothing. */
function scripted(script: { types?: Readonly<Record<string, Uint8Array>>; nextId?: number }) {
  const memory = new Map<string, unknown>()
  const reads: string[] = []
  let first = 10
  const names = () => Object.keys(script.types ?? {})
  const bpf = (question: Extract<Ask, { kind: 'bpf' }>): number => {
    const { attr, command } = question
    const words = new DataView(attr.buffer, attr.byteOffset)
    const set = (at: number, value: number) => words.setUint32(at, value, LITTLE_ENDIAN)
    if (command === 23) {
      if (script.nextId !== undefined) return script.nextId
      const next = Math.max(u32(question, 0) + 1, first)
      set(4, next)
      return next < first + names().length ? 0 : -2
    }
    // Descriptors are ids.
    if (command === 19) return u32(question, 0) >= first ? u32(question, 0) : -2
    if (command === 15) {
      const name = names()[u32(question, 0) - first]!
      const bytes = script.types![name]!
      const into = buffer(question, 16)
      if (into !== null) reads.push(name)
      into?.set(bytes)
      new TextEncoder().encodeInto(name, buffer(question, 32)!)
      set(24, bytes.length)
      set(44, 1) // kernel_btf
    }
    if (command === 10) set(4, 1) // retval: READ
    return 0
  }
  return {
    reads,
    /** The modules come anew. */
    reload() {
      first += 10
    },
    answer(question: Ask): Answer {
      if (question.kind === 'memory') return memory
      if (question.kind !== 'bpf') return null
      const result = bpf(question)
      return result < 0 ? { failed: new SystemError(result, 'bpf') } : result
    },
  }
}
