import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { withDescriptor } from '../../src/bpf/descriptor.ts'
import {
  type BpfMap,
  createMap,
  lookupElement,
  type MapShape,
  nextKey,
  readElements,
  updateElement,
} from '../../src/bpf/map.ts'
import type { Operation } from '../../src/wire/operation.ts'
import { noBpf, real } from './lab.ts'
import { play } from './scripted.ts'

const HASH: MapShape = { type: 'HASH', name: 'test', keySize: 4, valueSize: 8, maxEntries: 2 }
const ARRAY: MapShape = { ...HASH, type: 'ARRAY' }
const [A, B, C] = [1, 2, 3].map(first => new Uint8Array([first, 0, 0, 0])) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
]
const VALUE = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8])
const ZERO = new Uint8Array(8)

describe('a hash', () => {
  test('gives back what was put in', { skip: noBpf }, () => {
    inMap(HASH, function* (map) {
      assert.equal(yield* lookupElement(map, A), null)
      yield* updateElement(map, A, VALUE)
      assert.deepEqual(yield* lookupElement(map, A), VALUE)
      assert.equal(yield* lookupElement(map, B), null)
    })
  })

  test('updates as the flag wants it', { skip: noBpf }, () => {
    inMap(HASH, function* (map) {
      yield* updateElement(map, A, ZERO, 'NOEXIST')
      yield* updateElement(map, A, VALUE, 'EXIST')
      assert.deepEqual(yield* lookupElement(map, A), VALUE)
    })
    const refused = (flag: 'EXIST' | 'NOEXIST') => () =>
      inMap(HASH, function* (map) {
        yield* updateElement(map, A, VALUE)
        yield* updateElement(map, flag === 'EXIST' ? B : A, VALUE, flag)
      })
    assert.throws(refused('NOEXIST'), { code: 'EEXIST', syscall: 'bpf BPF_MAP_UPDATE_ELEM' })
    assert.throws(refused('EXIST'), { code: 'ENOENT' })
  })

  test('lists every element', { skip: noBpf }, () => {
    inMap(HASH, function* (map) {
      assert.deepEqual(yield* readElements(map), [])
      yield* updateElement(map, A, VALUE)
      yield* updateElement(map, B, ZERO)
      const elements = yield* readElements(map)
      elements.sort(([a], [b]) => a[0]! - b[0]!)
      assert.deepEqual(elements, [
        [A, VALUE],
        [B, ZERO],
      ])
    })
  })

  test('is full when it is full', { skip: noBpf }, () => {
    const overfill = () =>
      inMap(HASH, function* (map) {
        for (const key of [A, B, C]) yield* updateElement(map, key, VALUE)
      })
    assert.throws(overfill, { code: 'E2BIG' })
  })
})

test('an array has all its elements from the start', { skip: noBpf }, () => {
  inMap(ARRAY, function* (map) {
    const first = yield* nextKey(map, null)
    assert.deepEqual(first, new Uint8Array(4))
    assert.deepEqual(yield* lookupElement(map, first!), ZERO)
    assert.equal((yield* readElements(map)).length, 2)
  })
})

test('a shape that the type does not have', { skip: noBpf }, () => {
  assert.throws(() => real(createMap({ ...ARRAY, keySize: 8 })), {
    code: 'EINVAL',
    syscall: 'bpf BPF_MAP_CREATE',
  })
})

describe('without the kernel', () => {
  const map: BpfMap = { ...HASH, fd: 3 }

  test('buffers of a wrong size never reach it', () => {
    const wrong = new Uint8Array(5)
    for (const operation of [lookupElement(map, wrong), nextKey(map, wrong), updateElement(map, A, wrong)]) {
      const { asked, outcome } = play<unknown>(operation, () => 0)
      assert(outcome instanceof RangeError)
      assert.deepEqual(asked, [])
    }
  })

  test('listing ends though the keys go round', () => {
    const { outcome } = play(readElements(map), () => 0)
    assert.equal((outcome as unknown[]).length, HASH.maxEntries)
  })

  test('an error that is not ENOENT is one', () => {
    assert.equal((play(lookupElement(map, A), () => -9).outcome as { code?: string }).code, 'EBADF')
  })
})

function inMap(shape: MapShape, use: (map: BpfMap) => Operation<void>): void {
  real(
    (function* () {
      const map = yield* createMap(shape)
      yield* withDescriptor(descriptor(map.fd), () => use(map))
    })(),
  )
}

// biome-ignore lint/correctness/useYield: an operation that has its answer already.
function* descriptor(fd: number): Operation<number> {
  return fd
}
