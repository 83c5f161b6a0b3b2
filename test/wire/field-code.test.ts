import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { u32 } from '../../src/wire/attribute.ts'
import { takeAny, takeOne } from '../../src/wire/field-code.ts'
import { LITTLE_ENDIAN } from '../../src/wire/netlink.ts'
import { decodeAttributes, NO_UNKNOWN, table } from '../../src/wire/table.ts'
import { Writer } from '../../src/wire/writer.ts'
import { EXTENSION, LOADER } from '../tools/this-run.ts'

class Counted {
  unknown = NO_UNKNOWN
  count = 0
  list: number[] = []
}

const view = new DataView(new ArrayBuffer(4))
view.setUint32(0, 4711, LITTLE_ENDIAN)

describe('storing a field', () => {
  for (const field of ['count', '$', 'constructor', '__proto__x'])
    test(`has code of its own that does what the line for any field does: ${field}`, () => {
      const [any, one]: Record<PropertyKey, unknown>[] = [{}, {}]
      takeAny(field, u32)(any!, view, 0, 4)
      takeOne(field, u32)!(one!, view, 0, 4)
      assert.deepEqual(one, { [field]: 4711 })
      assert.deepEqual(one, any)
    })

  for (const field of ['a-b', 'a b', 'a=1;b', '', '1a', Symbol('a'), 7])
    test(`makes no code of what is no identifier: ${String(field)}`, () => {
      assert.equal(takeOne(field, u32), null)
    })

  test('is the same before and after it has become frequent', () => {
    const COUNTED = table<Counted>([[1, 'count', u32]])
    for (let i = 0; i < 1000; i++) {
      const writer = new Writer()
      writer.attribute(1, () => writer.u32(i))
      const bytes = writer.bytes()
      const read = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
      assert.equal(decodeAttributes(read, 0, bytes.length, COUNTED, new Counted()).count, i)
    }
  })

  test('does without such code where a program forbids it', () => {
    const file = fileURLToPath(new URL(`../../src/sync${EXTENSION}`, import.meta.url))
    const code = `import { forEachLink } from ${JSON.stringify(file)}
      let all = true
      for (let i = 0; i < 1000; i++) forEachLink(({ name, mtu }) => { all &&= name !== '' && mtu > 0 })
      console.log(all)`
    const args = [...LOADER, '--disallow-code-generation-from-strings', '--input-type=module', '-e', code]
    assert.equal(execFileSync(process.execPath, args, { encoding: 'utf8' }).trim(), 'true')
  })
})
