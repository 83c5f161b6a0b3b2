import type { Kind } from './attribute.ts'
import { DecodeError } from './errors.ts'
import { type TakeField, takeAny, takeOne } from './field-code.ts'
import { align4, LITTLE_ENDIAN, NLA_F_NESTED, NLA_HDRLEN, NLA_TYPE_MASK } from './netlink.ts'
import type { Writer } from './writer.ts'

/** An attribute that no table row describes, kept as it came. */
export interface UnknownAttribute {
  /** Its number, without the NLA_F_* bits. */
  readonly type: number
  readonly bytes: Uint8Array
}

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

/** What is known of the attributes at one level, by number. */
export interface AttributeIndex {
  readonly byType: readonly (Entry | undefined)[]
}

export interface Table<T> extends AttributeIndex {
  readonly rows: readonly Row<T>[]
  /** What no row describes is passed over, not kept; and so is all behind the last one wanted. */
  readonly isExcerpt: boolean
}

/** A row as the decoder wants it: every entry has the same shape, whatever its kind. */
class Entry {
  readonly field: PropertyKey
  readonly kind: Kind<unknown>
  readonly least: number
  readonly repeats: boolean
  /** The table of the attributes inside, null for a list, undefined for a plain value. */
  readonly inner: AttributeIndex | null | undefined
  readonly innerAt: number
  readonly skipped: boolean
  /** Reads one into its field. */
  take: TakeField

  constructor(field: PropertyKey, kind: Kind<unknown>, skipped: boolean) {
    this.field = field
    this.kind = kind
    this.least = kind.least
    this.repeats = kind.repeats ?? false
    this.inner = kind.inner
    this.innerAt = kind.innerAt ?? 0
    this.skipped = skipped
    this.take = this.repeats ? takeAnother(field, kind) : this.#takeUntilHot()
  }

  /** Making code of its own for a field costs as much as storing it some thousand times. */
  #takeUntilHot(): TakeField {
    const take = takeAny(this.field, this.kind)
    let times = 0
    return (object, view, at, length) => {
      take(object, view, at, length)
      if (++times === HOT) this.take = takeOne(this.field, this.kind) ?? take
    }
  }
}
const HOT = 500

function takeAnother(field: PropertyKey, kind: Kind<unknown>): TakeField {
  return (object, view, at, length) => {
    object[field] = [...(object[field] as unknown[]), kind.read(view, at, length)]
  }
}

/** skipped: attributes that are known and costly, and that only a table of one's own decodes. */
export function table<T>(rows: readonly Row<T>[], skipped: readonly number[] = []): Table<T> {
  const highest = Math.max(-1, ...rows.map(([type]) => type), ...skipped)
  const byType = new Array<Entry | undefined>(highest + 1).fill(undefined)
  for (const [type, field, kind] of rows) byType[type] = new Entry(field, kind as Kind<unknown>, false)
  for (const type of skipped) byType[type] = new Entry('', NOTHING, true)
  return { rows, byType, isExcerpt: false }
}

/** For whoever wants these attributes alone, and quickly. */
export function excerpt<T>(rows: readonly Row<T>[]): Table<T> {
  return { ...table(rows), isExcerpt: true }
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
  { byType, rows, isExcerpt }: Table<T>,
  into: T,
): T {
  let wanted = isExcerpt ? rows.length : Number.POSITIVE_INFINITY
  const object = into as Record<PropertyKey, unknown> & { unknown?: unknown }
  while (at + NLA_HDRLEN <= end && wanted > 0) {
    const size = view.getUint16(at, LITTLE_ENDIAN)
    if (size < NLA_HDRLEN || at + size > end)
      throw new DecodeError(`attribute length ${size} out of bounds`, at)
    const type = view.getUint16(at + 2, LITTLE_ENDIAN) & NLA_TYPE_MASK
    const entry = type < byType.length ? byType[type] : undefined
    if (entry === undefined && isExcerpt) {
      at += align4(size)
      continue
    }
    if (entry?.repeats !== true) wanted--
    const payload = at + NLA_HDRLEN
    const length = size - NLA_HDRLEN
    if (entry === undefined || length < entry.least || !hasSoundNest(entry, view, payload, at + size)) {
      const kept = (object.unknown ?? NO_UNKNOWN) as readonly UnknownAttribute[]
      object.unknown = [...kept, { type, bytes: copy(view, payload, length) }]
    } else if (!entry.skipped) {
      entry.take(object, view, payload, length)
    }
    at += align4(size)
  }
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

/** Whether view[at, end) is a whole number of attributes. */
export function wellFormed(view: DataView, at: number, end: number): boolean {
  while (at + NLA_HDRLEN <= end) {
    const size = view.getUint16(at, LITTLE_ENDIAN)
    if (size < NLA_HDRLEN || at + size > end) return false
    at += align4(size)
  }
  return true
}

/** One odd nest must not lose the object it belongs to. */
function hasSoundNest({ inner, innerAt }: Entry, view: DataView, at: number, end: number): boolean {
  return inner === undefined || wellFormed(view, at + innerAt, end)
}

function copy(view: DataView, at: number, length: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + at, length).slice()
}
