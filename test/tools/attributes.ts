import { align4, LITTLE_ENDIAN, NLA_HDRLEN, NLA_TYPE_MASK } from '../../src/wire/netlink.ts'
import { decodeAttributes, encodeAttributes, type Table } from '../../src/wire/table.ts'
import { Writer } from '../../src/wire/writer.ts'

/** For a test's `skip`: captured bytes are in the order of the machine that they came from. */
export const notLittleEndian: string | false = LITTLE_ENDIAN ? false : 'captured on a little-endian machine'

/** Bytes out of lines of hexadecimal digits; blanks do not count. */
export function hex(...lines: string[]): Uint8Array {
  return new Uint8Array(Buffer.from(lines.join('').replaceAll(' ', ''), 'hex'))
}

/** Reads attributes that stand behind something else, as they do in a receive buffer. */
export function decoded<T extends object>(table: Table<T>, into: T, bytes: Uint8Array): T {
  const before = 12
  const buffer = new Uint8Array(before + bytes.length + 8).fill(0xee)
  buffer.set(bytes, before)
  return decodeAttributes(new DataView(buffer.buffer), before, before + bytes.length, table, into)
}

export function encoded<T>(table: Table<T>, values: Partial<T>): Uint8Array {
  const writer = new Writer()
  encodeAttributes(writer, table, values)
  return writer.bytes().slice()
}

/** The attributes of one level: each with its header and without its padding. */
export function attributesOf(bytes: Uint8Array): { type: number; bytes: Uint8Array; padding: Uint8Array }[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const list = []
  for (let at = 0; at + NLA_HDRLEN <= bytes.length; ) {
    const end = at + view.getUint16(at, LITTLE_ENDIAN)
    const next = align4(end)
    list.push({
      type: view.getUint16(at + 2, LITTLE_ENDIAN) & NLA_TYPE_MASK,
      bytes: bytes.subarray(at, end),
      padding: bytes.subarray(end, next),
    })
    at = next
  }
  return list
}

/** The same attributes with rubbish where nobody may look. */
export function withDirtyPadding(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice()
  for (const { padding } of attributesOf(copy)) padding.fill(0xff)
  return copy
}
