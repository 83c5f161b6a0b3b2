import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { bytes, flag, listOf, nested, repeated, string, u8, u16, u32 } from '../../src/wire/attribute.ts'
import { DecodeError } from '../../src/wire/errors.ts'
import { NO_UNKNOWN, table } from '../../src/wire/table.ts'
import {
  attributesOf,
  decoded,
  encoded,
  hex,
  notLittleEndian,
  withDirtyPadding,
} from '../tools/attributes.ts'

class Wheel {
  unknown = NO_UNKNOWN
  size = 0
  maker = ''
}
const WHEEL = table<Wheel>([
  [1, 'size', u16],
  [2, 'maker', string],
])

class Vehicle {
  unknown = NO_UNKNOWN
  name = ''
  doors = 0
  weight = 0
  parked = false
  spare: Wheel | null = null
  wheels: Wheel[] = []
  drivers: string[] = []
  mileages: number[] = []
  plate: Uint8Array = new Uint8Array(0)
}
const ODOMETER = 9
const VEHICLE = table<Vehicle>(
  [
    [1, 'name', string],
    [2, 'doors', u8],
    [3, 'weight', u32],
    [4, 'parked', flag],
    [5, 'spare', nested(Wheel, WHEEL)],
    [6, 'wheels', repeated(nested(Wheel, WHEEL))],
    [7, 'drivers', repeated(string)],
    [8, 'mileages', listOf(u32)],
    [10, 'plate', bytes],
  ],
  [ODOMETER],
)

/** One attribute of each sort, in the table's order, as nla_put() and its kin lay them out. */
const VAN = hex(
  '0800 0100 76616e00', // 1 name: 'van', with its NUL
  '0500 0200 05 000000', // 2 doors: 5, padded
  '0800 0300 40060000', // 3 weight: 1600
  '0400 0400', // 4 parked: a flag has no payload
  '1400 0580', // 5 spare, NLA_F_NESTED
  '  0600 0100 0f00 0000', //   1 size: 15, padded
  '  0700 0200 616200 00', //   2 maker: 'ab', padded
  '1400 0680', // 6 wheels, the first
  '  0600 0100 1000 0000', //   1 size: 16
  '  0700 0200 636400 00', //   2 maker: 'cd'
  '1400 0680', // 6 wheels, the second
  '  0600 0100 1100 0000', //   1 size: 17
  '  0700 0200 656600 00', //   2 maker: 'ef'
  '0800 0700 616e6e00', // 7 drivers: 'ann'
  '0800 0700 626f6200', // 7 drivers: 'bob'
  '1400 0880', // 8 mileages, a list whose types count
  '  0800 0100 0a000000', //   10
  '  0800 0200 14000000', //   20
  '0700 0a00 010203 00', // 10 plate: three bytes, padded
  '0900 2a00 6869210a00 000000', // 42: nobody knows it
)

const wheel = (size: number, maker: string) => Object.assign(new Wheel(), { size, maker })
const van = Object.assign(new Vehicle(), {
  name: 'van',
  doors: 5,
  weight: 1600,
  parked: true,
  spare: wheel(15, 'ab'),
  wheels: [wheel(16, 'cd'), wheel(17, 'ef')],
  drivers: ['ann', 'bob'],
  mileages: [10, 20],
  plate: Uint8Array.of(1, 2, 3),
  unknown: [{ type: 42, bytes: hex('6869210a00') }],
})

const options = { skip: notLittleEndian }

describe('a table', options, () => {
  test('reads each attribute into its field', () => {
    assert.deepEqual(decoded(VEHICLE, new Vehicle(), VAN), van)
  })

  test('writes each field as its attribute', () => {
    assert.deepEqual(encoded(VEHICLE, van), VAN)
  })

  test('never reads padding, and writes it as zeros', () => {
    const dirty = withDirtyPadding(VAN)
    assert.notDeepEqual(dirty, VAN)
    const read = decoded(VEHICLE, new Vehicle(), dirty)
    assert.deepEqual(read, van)
    assert.deepEqual(encoded(VEHICLE, read), VAN)
  })

  test('accepts a last attribute without its padding', () => {
    assert.equal(decoded(VEHICLE, new Vehicle(), hex('0500 0200 05')).doors, 5)
  })

  test('leaves fields as they were initialised where nothing is said', () => {
    assert.deepEqual(decoded(VEHICLE, new Vehicle(), new Uint8Array(0)), new Vehicle())
  })

  test('looks past the bits for nesting and byte order in a type', () => {
    assert.equal(decoded(VEHICLE, new Vehicle(), hex('0800 03c0 40060000')).weight, 1600)
  })

  test('writes nothing for null, undefined and false', () => {
    assert.deepEqual(encoded(VEHICLE, { spare: null, parked: false }), new Uint8Array(0))
  })

  test('writes what is zero or empty, which is not nothing', () => {
    assert.deepEqual(
      encoded(VEHICLE, { name: '', doors: 0 }),
      hex('0500 0100 00 000000', '0500 0200 00 000000'),
    )
  })

  test('takes the last of an attribute that comes twice where one is expected', () => {
    assert.equal(decoded(VEHICLE, new Vehicle(), hex('0500 0200 01 000000', '0500 0200 02 000000')).doors, 2)
  })

  test('gives objects lists of their own', () => {
    const first = decoded(VEHICLE, new Vehicle(), VAN)
    const second = decoded(VEHICLE, new Vehicle(), VAN)
    assert.notEqual(first.drivers, second.drivers)
    assert.equal(second.drivers.length, 2)
    assert.equal(second.unknown.length, 1)
  })

  test('copies bytes out of the receive buffer', () => {
    const buffer = VAN.slice()
    const read = decoded(VEHICLE, new Vehicle(), buffer)
    buffer.fill(0)
    assert.deepEqual(read.plate, Uint8Array.of(1, 2, 3))
  })
})

describe('an attribute', options, () => {
  test('that no row describes is kept, and written again', () => {
    const strange = hex('0500 2a00 01 000000', '0800 ff3f 01020304')
    const { unknown } = decoded(VEHICLE, new Vehicle(), strange)
    assert.deepEqual(unknown, [
      { type: 42, bytes: Uint8Array.of(1) },
      { type: 0x3fff, bytes: Uint8Array.of(1, 2, 3, 4) },
    ])
    assert.deepEqual(encoded(VEHICLE, { unknown } as Partial<Vehicle>), strange)
  })

  test('that is skipped is neither read nor kept', () => {
    const odometer = hex('0800 0900 01000000')
    assert.deepEqual(decoded(VEHICLE, new Vehicle(), odometer), new Vehicle())
  })

  test('that is too short for its kind is kept as it is', () => {
    const { weight, unknown } = decoded(VEHICLE, new Vehicle(), hex('0700 0300 010203 00'))
    assert.equal(weight, 0)
    assert.deepEqual(unknown, [{ type: 3, bytes: Uint8Array.of(1, 2, 3) }])
  })

  test('that is longer than its kind is read as far as the kind goes', () => {
    assert.equal(decoded(VEHICLE, new Vehicle(), hex('0c00 0300 40060000 01000000')).weight, 1600)
  })

  test('that is a broken nest is kept as it is, and the others are read', () => {
    const broken = hex('0800 0580 ff00 0100', '0500 0200 05 000000')
    const { spare, doors, unknown } = decoded(VEHICLE, new Vehicle(), broken)
    assert.equal(spare, null)
    assert.equal(doors, 5)
    assert.deepEqual(unknown, [{ type: 5, bytes: hex('ff00 0100') }])
  })

  test('inside a nest is kept there when it is unknown', () => {
    const { spare } = decoded(VEHICLE, new Vehicle(), hex('0c00 0580', '  0500 0700 09 000000'))
    assert.deepEqual(spare?.unknown, [{ type: 7, bytes: Uint8Array.of(9) }])
  })

  for (const [what, size] of [
    ['past the end', '0900'],
    ['less than its header', '0300'],
    ['nothing', '0000'],
  ]) {
    test(`whose length is ${what} fails, with its offset`, () => {
      const good = hex('0500 0200 05 000000')
      const bad = Buffer.concat([good, hex(`${size}0300 01020304`)])
      const offset = 12 + good.length // decoded() puts 12 bytes before them
      assert.throws(() => decoded(VEHICLE, new Vehicle(), bad), { name: 'DecodeError', offset })
    })
  }

  test('is never read past any end at which the bytes may be cut', () => {
    const whole = attributesOf(VAN)
    for (let end = 0; end < VAN.length; end++) {
      const cut = VAN.subarray(0, end)
      let read: Vehicle
      try {
        read = decoded(VEHICLE, new Vehicle(), cut)
      } catch (error) {
        assert.ok(error instanceof DecodeError, `cut at ${end}: ${error}`)
        continue
      }
      const intact = whole.filter(({ bytes }) => bytes.byteOffset - VAN.byteOffset + bytes.length <= end)
      const upTo = intact.at(-1)
      const length = upTo === undefined ? 0 : upTo.bytes.byteOffset - VAN.byteOffset + upTo.bytes.length
      assert.deepEqual(read, decoded(VEHICLE, new Vehicle(), VAN.subarray(0, length)), `cut at ${end}`)
    }
  })
})
