import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { Btf, BtfLookupError } from '../../src/bpf/btf.ts'
import { isLoadedBtf, listKernelBtf, readKernelBtf } from '../../src/bpf/kernel-btf.ts'
import { DecodeError } from '../../src/wire/errors.ts'
import { blob, CONST, INT, info, STRUCT, stringSection, TYPEDEF, UNION } from './btf-blob.ts'
import { kernelHas, noBpf, noKernelBtf, real } from './lab.ts'
import { play } from './scripted.ts'

const NAMES = ['int', 'outer', 'a', 'b', 'c', 'd', 'deep', 'word_t', 'bits', 'narrow', 'wide'] as const
const { bytes: STRINGS, at: n } = stringSection(NAMES)

/** As C has it: struct outer { int a; union { struct { int b; int c; }; int d; }; const struct { … } deep; word_t wide; } */
// biome-ignore format: a record per line
const TYPES = [
  n('int'), info(INT), 4, 32, // 1: 32 bits
  0, info(STRUCT, 2), 8, n('b'), 1, 0, n('c'), 1, 32, // 2
  0, info(UNION, 2), 8, 0, 2, 0, n('d'), 1, 0, // 3
  0, info(CONST), 2, // 4
  n('outer'), info(STRUCT, 4), 24, n('a'), 1, 0, 0, 3, 32, n('deep'), 4, 96, n('wide'), 6, 160, // 5
  n('word_t'), info(TYPEDEF), 1, // 6
  n('bits'), info(STRUCT, 2, 1), 8, n('narrow'), 1, 3 * 2 ** 24 + 32, n('wide'), 1, 0, // 7
]
const BLOB = blob(TYPES, STRINGS)

describe('BTF', () => {
  const btf = new Btf(BLOB)

  test('tells where members lie, those of anonymous structs and unions too', () => {
    assert.equal(btf.structSize('outer'), 24)
    for (const [path, offset] of [
      ['a', 0],
      ['b', 4],
      ['c', 8],
      ['d', 4],
      ['deep', 12],
      ['deep.c', 16],
      ['wide', 20],
    ] as const) {
      assert.equal(btf.memberOffset('outer', path), offset, path)
    }
  })

  test('tells the size of a member behind typedefs and consts', () => {
    assert.equal(btf.sizeOf(btf.member('outer', 'wide').type), 4)
    assert.equal(btf.sizeOf(btf.member('outer', 'deep').type), 8)
    assert.equal(btf.sizeOf(0), null)
  })

  test('says what is missing', () => {
    for (const [ask, message] of [
      [() => btf.structSize('word_t'), 'there is no struct word_t'],
      [() => btf.structSize('oute'), 'there is no struct oute'],
      [() => btf.memberOffset('outer', 'x'), "struct outer has no member 'x'"],
      [() => btf.memberOffset('outer', 'deep.x'), "struct outer, member 'deep' has no member 'x'"],
      [() => btf.memberOffset('outer', 'a.x'), "struct outer, member 'a' is neither a struct nor a union"],
      [() => btf.memberOffset('bits', 'narrow'), "member 'narrow' of struct bits is a bit field"],
    ] as const) {
      assert.throws(ask, new BtfLookupError(message))
    }
    assert.equal(btf.memberOffset('bits', 'wide'), 0)
    assert.equal(btf.hasMember('outer', 'x'), false)
    assert.equal(btf.hasMember('outer', 'deep.b'), true)
  })

  test('of a module goes on where its base ends', () => {
    const more = stringSection(['module', 'own'], STRINGS.length)
    // 8: struct module { struct outer own; int a; }, whose names and types are partly the base's.
    const types = [more.at('module'), info(STRUCT, 2), 28, more.at('own'), 5, 0, n('a'), 1, 192]
    const split = new Btf(blob(types, more.bytes), btf)
    assert.equal(split.structSize('module'), 28)
    assert.equal(split.memberOffset('module', 'own.deep.c'), 16)
    assert.equal(split.memberOffset('module', 'a'), 24)
    assert.equal(split.memberOffset('outer', 'c'), 8)
    assert.throws(() => btf.structSize('module'), BtfLookupError)
  })
})

describe('broken BTF', () => {
  test('cut short is refused, wherever the cut is', () => {
    for (let length = 0; length < BLOB.length; length++) {
      assert.throws(() => new Btf(BLOB.slice(0, length)), DecodeError, `${length} bytes`)
    }
  })

  test('whose last type is cut short is refused', () => {
    for (let words = 1; words < 4; words++) {
      assert.throws(() => new Btf(blob(TYPES.slice(0, words), STRINGS)), /the last type is cut short/)
    }
  })

  test('garbled in one byte is read or refused, and no more', () => {
    for (let at = 0; at < BLOB.length; at++) {
      for (const flip of [0x01, 0x80, 0xff]) {
        const garbled = BLOB.slice()
        garbled[at]! ^= flip
        try {
          const btf = new Btf(garbled)
          btf.memberOffset('outer', 'deep.c')
          btf.sizeOf(btf.member('outer', 'wide').type)
        } catch (error) {
          assert(error instanceof DecodeError || error instanceof BtfLookupError, `byte ${at}: ${error}`)
        }
      }
    }
  })

  test('whose types go in a circle is refused', () => {
    const turning = new Btf(blob([n('outer'), info(STRUCT, 1), 4, 0, 1, 0], STRINGS))
    assert.throws(() => turning.memberOffset('outer', 'a'), DecodeError)
    const turned = new Btf(blob([n('outer'), info(STRUCT, 1), 4, n('a'), 2, 0, 0, info(CONST), 2], STRINGS))
    assert.throws(() => turned.memberOffset('outer', 'a.b'), DecodeError)
  })

  test('with a member of no type is refused', () => {
    const btf = new Btf(blob([n('outer'), info(STRUCT, 1), 4, n('a'), 9, 0], STRINGS))
    assert.throws(() => btf.memberOffset('outer', 'a.b'), /there is no type 9/)
  })

  // Kind 20 with two elements of 8 bytes behind a word: 20 bytes that only a layout explains.
  const NEWER = [0, info(20, 2), 0, 1, 2, 3, 4, 5, ...TYPES]

  test('with a kind that is newer than we are names it', () => {
    assert.throws(() => new Btf(blob(NEWER, STRINGS)), /unknown kind 20; the last known is 19, ENUM64/)
    assert.throws(() => new Btf(blob([0, 0, 0], STRINGS)), /unknown kind 0/)
  })

  test('is none when the kernel says how long that kind is', () => {
    const layout = new Uint8Array(4 * 21)
    layout.set([4, 8], 4 * 20)
    // All ids are one higher now: outer's first member is the first type, a struct.
    assert.equal(new Btf(blob(NEWER, STRINGS, layout)).structSize('outer'), 24)
    assert.throws(() => new Btf(blob(NEWER, STRINGS, layout.slice(0, 83))), /unknown kind 20/)
  })
})

describe("the kernel's BTF", { skip: noBpf }, () => {
  const noIds = noKernelBtf || (kernelHas(5, 11) ? false : "needs ids of the kernel's BTF, Linux 5.11")
  const vmlinux = () => real(listKernelBtf()).find(({ name }) => name === 'vmlinux')

  test('has no id before 5.11', { skip: kernelHas(5, 11) ? 'this kernel gives one' : false }, () => {
    assert.equal(vmlinux(), undefined)
  })

  test('is what sysfs shows', { skip: noIds }, () => {
    const bytes = real(readKernelBtf(vmlinux()!.id))
    assert.equal(Buffer.compare(bytes, readFileSync('/sys/kernel/btf/vmlinux')), 0)
  })

  test('is there while it is loaded', { skip: noIds }, () => {
    assert.equal(real(isLoadedBtf(vmlinux()!.id)), true)
    assert.equal(real(isLoadedBtf(0x7ffffff0)), false)
  })

  test('is read as bpftool reads it', { skip: noIds }, t => {
    const structs = structsByBpftool()
    if (structs === null) return t.skip("needs a bpftool that reads this kernel's BTF")
    const btf = new Btf(real(readKernelBtf(vmlinux()!.id)))
    const sample = [...structs].filter(([name], i) => i % 100 === 0 || WELL_KNOWN.includes(name))
    assert(sample.length > 50)
    for (const [name, { size, members }] of sample) {
      assert.equal(btf.structSize(name), size, name)
      for (const [member, bits] of members) {
        assert.equal(btf.memberOffset(name, member), bits / 8, `${name}.${member}`)
      }
    }
  })

  test('without a name, before 5.11, is passed over', () => {
    // One id; its info is refused for the fields that came later.
    const { outcome } = play(listKernelBtf(), ({ command }, nth) => {
      if (command === 15) return -7 // BPF_OBJ_GET_INFO_BY_FD: E2BIG
      return command === 23 && nth > 0 ? -2 : 5 // BPF_BTF_GET_NEXT_ID: ENOENT
    })
    assert.deepEqual(outcome, [])
  })

  test('needs CAP_SYS_ADMIN', () => {
    const { outcome } = play(listKernelBtf(), () => -1)
    assert.match((outcome as Error).message, /EPERM.*bpf BPF_BTF_GET_NEXT_ID: needs CAP_SYS_ADMIN/)
  })
})

const WELL_KNOWN = ['net_device', 'task_struct', 'net', 'sk_buff', 'xdp_buff']

/** The first struct of each name, with its named members that are no bit fields; null where bpftool cannot tell. */
function structsByBpftool() {
  const words = ['btf', 'dump', 'file', '/sys/kernel/btf/vmlinux', 'format', 'raw']
  const { status, stdout } = spawnSync('bpftool', words, { encoding: 'utf8', maxBuffer: 1 << 28 })
  if (status !== 0) return null
  const structs = new Map<string, { size: number; members: [string, number][] }>()
  let members: [string, number][] | null = null
  for (const line of stdout.split('\n')) {
    if (line.startsWith('[')) {
      const struct = /^\[\d+\] STRUCT '(\w+)' size=(\d+)/.exec(line)
      members = null
      if (struct === null || structs.has(struct[1]!)) continue
      members = []
      structs.set(struct[1]!, { size: Number(struct[2]), members })
    } else {
      const member = /^\s+'(\w+)' type_id=\d+ bits_offset=(\d+)$/.exec(line)
      if (member !== null && member[1] !== '(anon)') members?.push([member[1]!, Number(member[2])])
    }
  }
  return structs
}
