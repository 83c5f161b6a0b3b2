import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { kernelHeader } from './headers.ts'

/** One test per name: our number is the header's. A name that the header is too old for is skipped by that reason. */
export function checkNumbers(file: string, prefix: string, ours: Readonly<Record<string, number>>): void {
  const header = kernelHeader(file)
  describe(`${prefix}* of <linux/${file}>`, { skip: typeof header === 'string' ? header : false }, () => {
    if (typeof header === 'string') return
    for (const [name, number] of Object.entries(ours)) {
      const theirs = header.get(`${prefix}${name}`)
      const skip = theirs === undefined ? `<linux/${file}> here does not have it` : false
      test(`${prefix}${name} is ${number}`, { skip }, () => assert.equal(number, theirs))
    }
  })
}

/** A table's numbers under the kernel's names for its fields. */
export function numbersOf<F extends PropertyKey>(
  table: { readonly rows: readonly (readonly [type: number, field: F, kind: unknown])[] },
  names: Readonly<Partial<Record<F, string>>>,
): Record<string, number> {
  const numbers: Record<string, number> = {}
  for (const [type, field] of table.rows) {
    const name = names[field]
    assert.ok(name !== undefined, `no name is given for ${String(field)}`)
    numbers[name] = type
  }
  return numbers
}
