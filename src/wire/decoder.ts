import type { Kind } from './attribute.ts'
import { DecodeError } from './errors.ts'
import { align4, LITTLE_ENDIAN, NLA_HDRLEN, NLA_TYPE_MASK } from './netlink.ts'

/** An attribute that no table row describes, kept as it came. */
export interface UnknownAttribute {
  /** Its number, without the NLA_F_* bits. */
  readonly type: number
  readonly bytes: Uint8Array
}

/** What is known of the attributes at one level, by number. */
export interface AttributeIndex {
  readonly byType: readonly (Entry | undefined)[]
}

/** What an object of a table has as fields; those without a row go into `unknown`. */
export type Fields = Record<PropertyKey, unknown> & { unknown?: readonly UnknownAttribute[] }

/** A row as the decoder wants it: every entry has the same shape, whatever its kind. */
export class Entry {
  readonly field: PropertyKey
  readonly kind: Kind<unknown>
  readonly repeats: boolean
  /** The table of the attributes inside, null for a list, undefined for a plain value. */
  readonly inner: AttributeIndex | null | undefined
  readonly innerAt: number
  /** Known, and not decoded. */
  readonly skipped: boolean
  /** Comes once, and is decoded. */
  readonly isPlain: boolean

  constructor(field: PropertyKey, kind: Kind<unknown>, skipped: boolean) {
    this.field = field
    this.kind = kind
    this.repeats = kind.repeats ?? false
    this.inner = kind.inner
    this.innerAt = kind.innerAt ?? 0
    this.skipped = skipped
    this.isPlain = !this.repeats && !skipped
  }
}

/** Reads the attributes in view[at, end) into an object's fields. @throws DecodeError */
export type Decoder = (view: DataView, at: number, end: number, object: Fields) => void

/** A table's entries, and how many plain ones are wanted: behind the last one nothing is read. Infinity: all there are. */
export interface Wanted extends AttributeIndex {
  readonly most: number
}

/**
 * Interprets the table until it is used often, then has code made for it. V8 remembers for each line where a field lies: one
 * line that stores all fields takes 25 ns for each, and a link has 35.
 */
export function decoderOf(wanted: Wanted): Decoder {
  let times = 0
  let decode: Decoder = (view, at, end, object) => {
    if (++times === HOT) decode = generated(wanted) ?? interpreted(wanted)
    interpret(wanted, view, at, end, object)
  }
  return (view, at, end, object) => decode(view, at, end, object)
}
/** Making code costs as much as it saves in a thousand objects. */
const HOT = 1000

export function interpreted(wanted: Wanted): Decoder {
  return (view, at, end, object) => interpret(wanted, view, at, end, object)
}

function interpret({ byType, most }: Wanted, view: DataView, at: number, end: number, object: Fields): void {
  let left = most
  while (at + NLA_HDRLEN <= end && left > 0) {
    const size = sizeOf(view, at, end)
    const type = view.getUint16(at + 2, LITTLE_ENDIAN) & NLA_TYPE_MASK
    const entry = type < byType.length ? byType[type] : undefined
    if (entry !== undefined || most === Number.POSITIVE_INFINITY) take(entry, object, view, at, size)
    if (entry?.isPlain) left--
    at += align4(size)
  }
}

/** One attribute, view[at, at + size). One that is odd must not lose the object: it is kept as it came. */
function take(entry: Entry | undefined, object: Fields, view: DataView, at: number, size: number): void {
  const [payload, length] = [at + NLA_HDRLEN, size - NLA_HDRLEN]
  if (entry?.skipped) return
  if (entry === undefined || length < entry.kind.least || !hasSoundNest(entry, view, payload, at + size)) {
    const type = view.getUint16(at + 2, LITTLE_ENDIAN) & NLA_TYPE_MASK
    object.unknown = [...(object.unknown ?? []), { type, bytes: copy(view, payload, length) }]
    return
  }
  const value = entry.kind.read(view, payload, length)
  object[entry.field] = entry.repeats ? [...(object[entry.field] as unknown[]), value] : value
}

/**
 * The loop above as code that has a case of its own for each plain row; all else is left to take(). The code is made of
 * numbers and of field names that are identifiers, from nothing else. null where a name is none, and where the program
 * forbids it (node --disallow-code-generation-from-strings).
 */
export function generated({ byType, most }: Wanted): Decoder | null {
  const cases: string[] = []
  for (const [type, entry] of byType.entries()) {
    if (!entry?.isPlain) continue
    const { field, kind, inner, innerAt } = entry
    if (typeof field !== 'string' || !IDENTIFIER.test(field)) return null
    const nest = inner === undefined ? '' : ` && wellFormed(view, at + ${NLA_HDRLEN + innerAt}, at + size)`
    cases.push(`
      case ${type}:
        if (size >= ${NLA_HDRLEN + kind.least}${nest})
          object.${field} = kinds[${type}].read(view, at + ${NLA_HDRLEN}, size - ${NLA_HDRLEN})
        else take(byType[${type}], object, view, at, size)
        left--
        break`)
  }
  const all = most === Number.POSITIVE_INFINITY
  const code = `return (view, at, end, object) => {
    let left = ${most}
    while (at + ${NLA_HDRLEN} <= end && left > 0) {
      const size = sizeOf(view, at, end)
      const type = view.getUint16(at + 2, ${LITTLE_ENDIAN}) & ${NLA_TYPE_MASK}
      switch (type) {${cases.join('')}
      default:
        if (${all} || byType[type] !== undefined) take(byType[type], object, view, at, size)
      }
      at += size + 3 & ~3
    }
  }`
  try {
    const make = new Function('byType', 'kinds', 'take', 'sizeOf', 'wellFormed', code)
    return make(
      byType,
      byType.map(entry => entry?.kind),
      take,
      sizeOf,
      wellFormed,
    )
  } catch (error) {
    if (error instanceof EvalError) return null
    throw error
  }
}
const IDENTIFIER = /^[A-Za-z_$][\w$]*$/

/** Of an attribute, header included. */
function sizeOf(view: DataView, at: number, end: number): number {
  const size = view.getUint16(at, LITTLE_ENDIAN)
  if (size < NLA_HDRLEN || at + size > end)
    throw new DecodeError(`attribute length ${size} out of bounds`, at)
  return size
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

function hasSoundNest({ inner, innerAt }: Entry, view: DataView, at: number, end: number): boolean {
  return inner === undefined || wellFormed(view, at + innerAt, end)
}

function copy(view: DataView, at: number, length: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + at, length).slice()
}
