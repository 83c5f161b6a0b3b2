import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  bytes,
  type Kind,
  linkAddress,
  listOf,
  nested,
  s32,
  string,
  u8,
  u16,
  u32,
  u64,
  uint,
} from '../../src/wire/attribute.ts'
import { NO_UNKNOWN, table } from '../../src/wire/table.ts'
import { Writer } from '../../src/wire/writer.ts'
import { hex, notLittleEndian } from '../tools/attributes.ts'

function write<V>(kind: Kind<V>, value: V): Uint8Array {
  const writer = new Writer()
  kind.write(writer, value)
  return writer.bytes().slice()
}

function read<V>(kind: Kind<V>, payload: Uint8Array): V {
  return kind.read(new DataView(payload.buffer, payload.byteOffset, payload.length), 0, payload.length)
}

/** Kinds with values at their edges, and the bytes they are. */
const VECTORS: Record<string, [kind: Kind<never>, value: unknown, bytes: string][]> = {
  u8: [
    [u8 as Kind<never>, 0, '00'],
    [u8 as Kind<never>, 255, 'ff'],
  ],
  u16: [
    [u16 as Kind<never>, 0x1234, '3412'],
    [u16 as Kind<never>, 0xffff, 'ffff'],
  ],
  u32: [
    [u32 as Kind<never>, 0x12345678, '78563412'],
    [u32 as Kind<never>, 0xffffffff, 'ffffffff'],
  ],
  s32: [
    [s32 as Kind<never>, -1, 'ffffffff'],
    [s32 as Kind<never>, -0x80000000, '00000080'],
    [s32 as Kind<never>, 0x7fffffff, 'ffffff7f'],
  ],
  u64: [
    [u64 as Kind<never>, 0x0123456789abcdefn, 'efcdab8967452301'],
    [u64 as Kind<never>, 0xffffffffffffffffn, 'ffffffffffffffff'],
  ],
  uint: [
    [uint as Kind<never>, 0n, '00000000'],
    [uint as Kind<never>, 0xffffffffn, 'ffffffff'],
    [uint as Kind<never>, 0x100000000n, '0000000001000000'],
  ],
  string: [
    [string as Kind<never>, '', '00'],
    [string as Kind<never>, 'veth0', '766574683000'],
    [string as Kind<never>, 'blå', '626cc3a500'],
  ],
  'link address': [
    [linkAddress as Kind<never>, '02:00:5e:10:00:ff', '02005e1000ff'],
    [linkAddress as Kind<never>, '', ''],
  ],
  bytes: [[bytes as Kind<never>, hex('c0ffee'), 'c0ffee']],
}

for (const [name, vectors] of Object.entries(VECTORS)) {
  describe(`a ${name}`, { skip: notLittleEndian }, () => {
    for (const [kind, value, digits] of vectors) {
      test(`of ${JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? String(v) : v))} is ${digits || 'nothing'}`, () => {
        assert.deepEqual(write(kind, value as never), hex(digits))
        assert.deepEqual(read(kind, hex(digits)), value)
      })
    }
  })
}

describe('a kind', () => {
  for (const [kind, size] of [
    [u8, 1],
    [u16, 2],
    [u32, 4],
    [s32, 4],
    [u64, 8],
  ] as const) {
    test(`of ${size} bytes is not read from fewer`, () => {
      assert.equal(kind.least, size)
    })
  }
})

describe('text', () => {
  test('ends at its first NUL', () => {
    assert.equal(read(string, hex('616200 6364')), 'ab')
  })

  test('may lack its NUL', () => {
    assert.equal(read(string, hex('6162')), 'ab')
  })
})

describe('a link address', () => {
  test('may be of any length, such as the 20 bytes of InfiniBand', () => {
    const address = Array.from({ length: 20 }, (_, i) => (i + 0xf0).toString(16).slice(-2)).join(':')
    assert.equal(read(linkAddress, write(linkAddress, address)), address)
  })

  for (const bad of ['02:00:5e:10:00:100', '02-00-5e-10-00-ff', '02:00:5e:10:00:', 'zz:00:5e:10:00:ff']) {
    test(`'${bad}' is refused`, () => {
      assert.throws(() => write(linkAddress, bad), TypeError)
    })
  }
})

describe('bytes', () => {
  test('are a copy', () => {
    const buffer = hex('c0ffee')
    const value = read(bytes, buffer)
    buffer.fill(0)
    assert.deepEqual(value, hex('c0ffee'))
  })
})

describe('a list', { skip: notLittleEndian }, () => {
  class Point {
    unknown = NO_UNKNOWN
    x = 0
  }
  const points = listOf(nested(Point, table<Point>([[1, 'x', u32]])))

  test('numbers its elements from 1', () => {
    assert.deepEqual(write(listOf(u16), [7, 8]), hex('0600 0100 0700 0000', '0600 0200 0800 0000'))
  })

  test('takes its elements whatever their numbers', () => {
    assert.deepEqual(read(listOf(u16), hex('0600 6300 0700 0000', '0600 6300 0800 0000')), [7, 8])
  })

  test('may be empty', () => {
    assert.deepEqual(read(listOf(u16), new Uint8Array(0)), [])
  })

  test('leaves out elements too short to be read', () => {
    assert.deepEqual(read(listOf(u16), hex('0500 0100 07 000000', '0600 0200 0800 0000')), [8])
  })

  test('of nests leaves out those that are broken', () => {
    const good = '0c00 0280 0800 0100 05000000'
    assert.deepEqual(
      read(points, hex('0800 0180 ff00 0100', good)).map(({ x }) => x),
      [5],
    )
  })
})
