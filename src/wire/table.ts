import type { Kind } from './attribute.ts'
import {
  type AttributeIndex,
  type Decoder,
  decoderOf,
  Entry,
  type Fields,
  type UnknownAttribute,
} from './decoder.ts'
import { NLA_F_NESTED } from './netlink.ts'
import type { Writer } from './writer.ts'

/**
 * What decodes from attributes has a field `unknown`: newer kernels send more than any table knows, and nothing is
 * dropped. It begins with this. Each class has the field itself: inherited it would cost tenfold to make an object.
 */
export const NO_UNKNOWN: readonly UnknownAttribute[] = Object.freeze([])

/** An object with all that came beyond its table. */
export interface Attributes {
  readonly unknown: readonly UnknownAttribute[]
}

/** Ties an attribute's number to a field of T and to how its payload is read; the compiler checks the pair. */
export type Row<T> = {
  [F in keyof T]-?: readonly [type: number, field: F, kind: Kind<T[F]>]
}[keyof T]

export interface Table<T> extends AttributeIndex {
  readonly rows: readonly Row<T>[]
  readonly decode: Decoder
}

/** skipped: attributes that are known and costly, and that only a table of one's own decodes. */
export function table<T>(rows: readonly Row<T>[], skipped: readonly number[] = []): Table<T> {
  const byType = index(rows, skipped)
  return { rows, byType, decode: decoderOf({ byType, most: Number.POSITIVE_INFINITY }) }
}

/** For whoever wants these attributes alone, and quickly: what no row describes is passed over, not kept. */
export function excerpt<T>(rows: readonly Row<T>[]): Table<T> {
  const byType = index(rows, [])
  return { rows, byType, decode: decoderOf({ byType, most: rows.length }) }
}

function index<T>(rows: readonly Row<T>[], skipped: readonly number[]): (Entry | undefined)[] {
  const highest = Math.max(-1, ...rows.map(([type]) => type), ...skipped)
  const byType = new Array<Entry | undefined>(highest + 1).fill(undefined)
  for (const [type, field, kind] of rows) byType[type] = new Entry(field, kind as Kind<unknown>, false)
  for (const type of skipped) byType[type] = new Entry('', NOTHING, true)
  return byType
}
const NOTHING: Kind<unknown> = { least: 0, read: () => null, write: () => {} }

/**
 * Reads the attributes in view[at, end) into an object of which every field is initialised.
 * @throws DecodeError where an attribute's length runs past the end; an attribute too short for its kind is
 * kept among the unknown ones instead.
 */
export function decodeAttributes<T extends object>(
  view: DataView,
  at: number,
  end: number,
  { decode }: Table<T>,
  into: T,
): T {
  decode(view, at, end, into as Fields)
  return into
}

/** Writes the fields that are given, in the table's order; undefined, null and false are left out. */
export function encodeAttributes<T>(writer: Writer, { rows }: Table<T>, values: Partial<T>): void {
  for (const [type, field, kind] of rows) {
    const value = values[field]
    if (value === undefined || value === null || value === false) continue
    const nest = kind.inner === undefined ? 0 : NLA_F_NESTED
    const list = kind.repeats === true ? (value as unknown as (typeof value)[]) : [value]
    for (const element of list) writer.attribute(type | nest, () => kind.write(writer, element))
  }
  for (const { type, bytes } of (values as Partial<Attributes>).unknown ?? NO_UNKNOWN) {
    writer.attribute(type, () => writer.raw(bytes))
  }
}
