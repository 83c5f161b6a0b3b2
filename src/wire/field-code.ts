import type { Kind } from './attribute.ts'

/** Reads an attribute's payload and stores it in one field of the object. */
export type TakeField = (
  object: Record<PropertyKey, unknown>,
  view: DataView,
  at: number,
  length: number,
) => void

const IDENTIFIER = /^[A-Za-z_$][\w$]*$/

/** For any field. V8 remembers for each line of code where a field lies; this line is that of too many. */
export function takeAny(field: PropertyKey, kind: Kind<unknown>): TakeField {
  return (object, view, at, length) => {
    object[field] = kind.read(view, at, length)
  }
}

/**
 * For a field that is stored often: the same line, but one for this field alone, which is a few nanoseconds instead of
 * 25, and a link has 35 attributes. The code is made from a table's field name that is an identifier, from nothing else; null
 * for any other name, and where the program forbids it (node --disallow-code-generation-from-strings).
 */
export function takeOne(field: PropertyKey, kind: Kind<unknown>): TakeField | null {
  if (typeof field !== 'string' || !IDENTIFIER.test(field)) return null
  const line = `return (object, view, at, length) => { object.${field} = kind.read(view, at, length) }`
  try {
    return new Function('kind', line)(kind) as TakeField
  } catch (error) {
    if (error instanceof EvalError) return null
    throw error
  }
}
