import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { bytes, type Kind, nested, repeated, u8, u32 } from '../../src/wire/attribute.ts'
import {
  type Decoder,
  Entry,
  type Fields,
  generated,
  interpreted,
  type UnknownAttribute,
} from '../../src/wire/decoder.ts'
import { decodeAttributes, NO_UNKNOWN, table } from '../../src/wire/table.ts'
import { Writer } from '../../src/wire/writer.ts'
import { EXTENSION, LOADER } from '../tools/this-run.ts'
import { Random } from '../walk/random.ts'

class Inner {
  unknown = NO_UNKNOWN
  size = 0
}

class Outer {
  unknown = NO_UNKNOWN
  count = 0
  small = 0
  inner: Inner | null = null
  list: number[] = []
}

const INNER = table<Inner>([[1, 'size', u32]])
const ENTRIES: readonly (Entry | undefined)[] = [
  undefined,
  entry('count', u32),
  entry('small', u8),
  undefined,
  entry('inner', nested(Inner, INNER)),
  undefined,
  entry('list', repeated(u8)),
  new Entry('', bytes as Kind<unknown>, true),
]

function entry(field: string, kind: Kind<never> | Kind<number> | Kind<Inner> | Kind<number[]>): Entry {
  return new Entry(field, kind as Kind<unknown>, false)
}

function viewOf(written: Uint8Array): DataView {
  return new DataView(written.buffer, written.byteOffset, written.length)
}

/** The object, or the error. */
function decoded(decode: Decoder, view: DataView): unknown {
  const object = new Outer()
  try {
    decode(view, 0, view.byteLength, object as unknown as Fields)
    return object
  } catch (error) {
    return String(error)
  }
}

/** What can come of a table, see kindsOf(). */
const ALL_KINDS = ['broken nest', 'count', 'error', 'inner', 'list', 'small', 'too short', 'unknown type']

describe('a decoder that was made as code', () => {
  const tables = [
    ['all attributes', { byType: ENTRIES, most: Number.POSITIVE_INFINITY }, ALL_KINDS],
    [
      'those that are wanted',
      { byType: ENTRIES, most: 4 },
      ALL_KINDS.filter(kind => kind !== 'unknown type'),
    ],
    ['two of them', { byType: ENTRIES.slice(0, 3), most: 2 }, ['count', 'error', 'small', 'too short']],
  ] as const
  for (const [what, wanted, seen] of tables)
    test(`does what the interpreter does, whatever comes: ${what}`, () => {
      const random = new Random(7)
      const code = generated(wanted)!
      const found = new Set<string>()
      for (let i = 0; i < 20_000; i++) {
        const view = viewOf(anyAttributes(random))
        const expected = decoded(interpreted(wanted), view)
        assert.deepEqual(decoded(code, view), expected)
        for (const kind of kindsOf(expected)) found.add(kind)
      }
      assert.deepEqual([...found].sort(), seen)
    })

  for (const field of ['count', '$', 'constructor', '__proto__x'])
    test(`is of fields whose names are identifiers: ${field}`, () => {
      const object: Fields = {}
      const view = viewOf(attributes([1, u32Bytes(4711)]))
      generated({ byType: [undefined, entry(field, u32)], most: 1 })!(view, 0, view.byteLength, object)
      assert.deepEqual(object, { [field]: 4711 })
    })

  for (const field of ['a-b', 'a b', 'a=1;b', '', '1a', Symbol('a'), 7])
    test(`is not made of what is no identifier: ${String(field)}`, () => {
      const odd = new Entry(field, u32 as Kind<unknown>, false)
      assert.equal(generated({ byType: [odd], most: 1 }), null)
    })

  test('takes over from the interpreter, which is not seen from outside', () => {
    const COUNTED = table<Inner>([[1, 'size', u32]])
    for (let i = 0; i < 2500; i++) {
      const view = viewOf(attributes([1, u32Bytes(i)], [9, [1, 2]]))
      const object = decodeAttributes(view, 0, view.byteLength, COUNTED, new Inner())
      assert.equal(object.size, i)
      assert.deepEqual(object.unknown, [{ type: 9, bytes: Uint8Array.of(1, 2) }])
    }
  })

  test('is done without where a program forbids such code', () => {
    const file = fileURLToPath(new URL(`../../src/sync${EXTENSION}`, import.meta.url))
    const code = `import { forEachLink } from ${JSON.stringify(file)}
      let all = true
      for (let i = 0; i < 2000; i++) forEachLink(({ name, mtu }) => { all &&= name !== '' && mtu > 0 })
      console.log(all)`
    const args = [...LOADER, '--disallow-code-generation-from-strings', '--input-type=module', '-e', code]
    assert.equal(execFileSync(process.execPath, args, { encoding: 'utf8' }).trim(), 'true')
  })
})

/** What of a table has come. */
function kindsOf(result: unknown): string[] {
  if (!(result instanceof Outer)) return ['error']
  const { unknown, count, small, inner, list } = result
  const kept = (unknown as readonly UnknownAttribute[]).map(({ type }) => {
    if (type === 4) return 'broken nest'
    return ENTRIES[type] === undefined ? 'unknown type' : 'too short'
  })
  return [
    ...kept,
    ...(count > 0 ? ['count'] : []),
    ...(small > 0 ? ['small'] : []),
    ...(inner !== null ? ['inner'] : []),
    ...(list.length > 0 ? ['list'] : []),
  ]
}

function anyAttributes(random: Random): Uint8Array {
  const some = Array.from({ length: below(random, 6) }, (): [number, number[]] => {
    const type = below(random, 10)
    if (type === 4 && random.chance(0.5)) return [type, [...attributes([1, u32Bytes(below(random, 1e6))])]]
    return [type, Array.from({ length: below(random, 9) }, () => below(random, 256))]
  })
  const written = attributes(...some)
  // Cut off, or with a length of chance.
  if (random.chance(0.1)) return written.slice(0, below(random, written.length + 1))
  if (random.chance(0.1) && written.length > 0) written[0] = below(random, 40)
  return written
}

function below(random: Random, end: number): number {
  return Math.floor(random.next() * end)
}

function attributes(...some: readonly (readonly [type: number, payload: readonly number[]])[]): Uint8Array {
  const writer = new Writer()
  for (const [type, payload] of some) writer.attribute(type, () => writer.raw(Uint8Array.from(payload)))
  return writer.bytes()
}

function u32Bytes(value: number): number[] {
  return [...new Uint8Array(Uint32Array.of(value).buffer)]
}
