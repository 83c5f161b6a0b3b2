import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { errnoName, errnoNumber, errnoText } from '../../src/wire/errno.ts'

const HEADERS = ['errno-base.h', 'errno.h'].map(file => `/usr/include/asm-generic/${file}`)
const missing = HEADERS.find(file => !existsSync(file))
const skip = missing === undefined ? false : `needs ${missing} (linux-libc-dev)`

/** #define EPERM 1, but not #define EWOULDBLOCK EAGAIN. */
function defined(): [name: string, number: number][] {
  const source = HEADERS.map(file => readFileSync(file, 'utf8')).join('\n')
  return [...source.matchAll(/^#define\s+(E\w+)\s+(\d+)/gm)].map(([, name, number]) => [
    name!,
    Number(number),
  ])
}

describe('the errors', () => {
  test("have the kernel's names, of either sign", { skip }, () => {
    const errors = defined()
    assert.ok(errors.length > 100)
    for (const [name, number] of errors) {
      assert.equal(errnoName(number), name)
      assert.equal(errnoName(-number), name)
    }
  })

  test("have the kernel's numbers", { skip }, () => {
    for (const [name, number] of defined()) assert.equal(errnoNumber(name), number)
  })

  test('are told in words of our own, each in others', { skip }, () => {
    const texts = defined().map(([, number]) => errnoText(number))
    for (const text of texts) assert.doesNotMatch(text, /^error \d|^$|\.$/)
    assert.equal(new Set(texts).size, texts.length)
  })

  test("include ENOTSUPP, which only the kernel's own header has", () => {
    assert.equal(errnoName(-524), 'ENOTSUPP')
    assert.equal(errnoNumber('ENOTSUPP'), 524)
  })

  test('that nobody knows are named by their numbers', () => {
    assert.equal(errnoName(-4000), 'E4000')
    assert.match(errnoText(-4000), /4000/)
  })

  test("go by no name of libuv's", () => {
    assert.throws(() => errnoNumber('ENOTSUP'), RangeError)
  })
})
