import { type AttributeIndex, wellFormed } from './decoder.ts'
import { align4, LITTLE_ENDIAN, NLA_HDRLEN, NLA_TYPE_MASK } from './netlink.ts'
import { decodeAttributes, encodeAttributes, type Table } from './table.ts'
import { readText } from './text.ts'
import type { Writer } from './writer.ts'

/** How one attribute's payload becomes a value and back. */
export interface Kind<V> {
  /** The fewest payload bytes that can be read; a shorter attribute is kept as it is. */
  readonly least: number
  read(view: DataView, at: number, length: number): V
  write(writer: Writer, value: V): void
  /** The attribute may come several times; read() gives one element, the field holds all. */
  readonly repeats?: boolean
  /** The payload is attributes: described by this table, or null where their types are just a count. */
  readonly inner?: AttributeIndex | null
  /** Bytes of a header that stands before the inner attributes. */
  readonly innerAt?: number
}

export const u8: Kind<number> = {
  least: 1,
  read: (view, at) => view.getUint8(at),
  write: (writer, value) => writer.u8(value),
}

export const u16: Kind<number> = {
  least: 2,
  read: (view, at) => view.getUint16(at, LITTLE_ENDIAN),
  write: (writer, value) => writer.u16(value),
}

export const u32: Kind<number> = {
  least: 4,
  read: (view, at) => view.getUint32(at, LITTLE_ENDIAN),
  write: (writer, value) => writer.u32(value),
}

export const s32: Kind<number> = {
  least: 4,
  read: (view, at) => view.getInt32(at, LITTLE_ENDIAN),
  write: (writer, value) => writer.s32(value),
}

export const u64: Kind<bigint> = {
  least: 8,
  read: (view, at) => view.getBigUint64(at, LITTLE_ENDIAN),
  write: (writer, value) => writer.u64(value),
}

/** The kernel's variable-size 'uint': four bytes where the value fits, else eight. Source: nla_put_uint(). */
export const uint: Kind<bigint> = {
  least: 4,
  read: (view, at, length) =>
    length >= 8 ? view.getBigUint64(at, LITTLE_ENDIAN) : BigInt(view.getUint32(at, LITTLE_ENDIAN)),
  write: (writer, value) => (value > 0xffffffffn ? writer.u64(value) : writer.u32(Number(value))),
}

/** Text up to the first NUL. */
export const string: Kind<string> = {
  least: 0,
  read: readText,
  write: (writer, value) => writer.text(value),
}

/** Bytes as they are, copied out of the receive buffer. */
export const bytes: Kind<Uint8Array> = {
  least: 0,
  read: (view, at, length) => new Uint8Array(view.buffer, view.byteOffset + at, length).slice(),
  write: (writer, value) => writer.raw(value),
}

/** Present or not; false is written as nothing at all. */
export const flag: Kind<boolean> = {
  least: 0,
  read: () => true,
  write: () => {},
}

/** A link-layer address, 'aa:bb:cc:dd:ee:ff'. */
export const linkAddress: Kind<string> = {
  least: 0,
  read: (view, at, length) => (length === 6 ? ethernetAddress(view, at) : anyAddress(view, at, length)),
  write(writer, value) {
    if (value === '') return
    for (const part of value.split(':')) {
      if (!/^[0-9a-f]{1,2}$/i.test(part)) throw new TypeError(`'${value}' is not a link-layer address`)
      writer.u8(Number.parseInt(part, 16))
    }
  },
}

function anyAddress(view: DataView, at: number, length: number): string {
  const bytes = Array.from({ length }, (_, i) => view.getUint8(at + i))
  return bytes.map(byte => byte.toString(16).padStart(2, '0')).join(':')
}

/** A string that was made before is found by its bytes: addresses repeat, link by link and dump by dump. */
function ethernetAddress(view: DataView, at: number): string {
  const high = view.getUint32(at)
  const low = view.getUint16(at + 4)
  const slot = (high ^ (high >>> 15) ^ Math.imul(low, 0x9e3779b1)) & (SEEN - 1)
  if (seenHigh[slot] === high && seenLow[slot] === low) return seenAddresses[slot]!
  const address = writtenOut(high, low)
  seenHigh[slot] = high
  seenLow[slot] = low
  seenAddresses[slot] = address
  return address
}
const SEEN = 16384
const seenHigh = new Uint32Array(SEEN)
const seenLow = new Uint16Array(SEEN)
const seenAddresses: string[] = new Array(SEEN).fill('00:00:00:00:00:00')

/** One flat string. Put together piece by piece it would be a rope of them, kept by every link of a dump. */
function writtenOut(high: number, low: number): string {
  for (let i = 0, digit = 0; digit < 12; digit++, i += digit % 2 === 0 ? 2 : 1) {
    const nibble = (digit < 8 ? high >>> (28 - 4 * digit) : low >>> (44 - 4 * digit)) & 15
    ETHERNET_ADDRESS[i] = nibble < 10 ? DIGIT_0 + nibble : LETTER_A + nibble - 10
  }
  return String.fromCharCode(...ETHERNET_ADDRESS)
}
const DIGIT_0 = 48
const LETTER_A = 97
const ETHERNET_ADDRESS = Array.from('00:00:00:00:00:00', char => char.charCodeAt(0))

/** An attribute made of attributes, read into a new object. */
export function nested<V extends object>(make: new () => V, table: Table<V>): Kind<V> {
  return {
    least: 0,
    inner: table,
    read: (view, at, length) => decodeAttributes(view, at, at + length, table, new make()),
    write: (writer, value) => encodeAttributes(writer, table, value),
  }
}

/** An attribute that may be given several times. */
export function repeated<V>(kind: Kind<V>): Kind<V[]> {
  return { ...kind, repeats: true } as unknown as Kind<V[]>
}

/** A nest whose attributes are the elements of a list; their types only count, or all are alike. */
export function listOf<V>(kind: Kind<V>): Kind<V[]> {
  return {
    least: 0,
    inner: null,
    read(view, at, length) {
      const list: V[] = []
      const end = at + length
      for (let next = at; next + NLA_HDRLEN <= end; ) {
        const size = view.getUint16(next, LITTLE_ENDIAN)
        const payload = size - NLA_HDRLEN
        const whole = kind.inner == null || wellFormed(view, next + NLA_HDRLEN, next + size)
        if (payload >= kind.least && whole) list.push(kind.read(view, next + NLA_HDRLEN, payload))
        next += align4(size)
      }
      return list
    },
    write(writer, list) {
      list.forEach((value, i) => {
        writer.attribute((i + 1) & NLA_TYPE_MASK, () => kind.write(writer, value))
      })
    },
  }
}
