/** Whether a value read from a file is what is expected there, and that value. @throws TypeError that names the field. */
export type Check<T> = (value: unknown, field: string) => T

function wrong(field: string, expected: string, value: unknown): TypeError {
  const text = value === undefined ? 'nothing' : (JSON.stringify(value) ?? typeof value)
  const found = text.length > 60 ? `${text.slice(0, 57)}...` : text
  return new TypeError(`${field}: expected ${expected}, found ${found}`)
}

export const text: Check<string> = (value, field) => {
  if (typeof value === 'string') return value
  throw wrong(field, 'a text', value)
}

export const flag: Check<boolean> = (value, field) => {
  if (typeof value === 'boolean') return value
  throw wrong(field, 'true or false', value)
}

/** A whole number, 0 or more. */
export const count: Check<number> = (value, field) => {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number
  throw wrong(field, 'a whole number, 0 or more', value)
}

/** A whole number, 1 or more. */
export const positive: Check<number> = (value, field) => {
  if (Number.isSafeInteger(value) && (value as number) >= 1) return value as number
  throw wrong(field, 'a whole number, 1 or more', value)
}

/** A number, 0 or more, whole or not. */
export const amount: Check<number> = (value, field) => {
  if (Number.isFinite(value) && (value as number) >= 0) return value as number
  throw wrong(field, 'a number, 0 or more', value)
}

/** A number above 0, whole or not. */
export const duration: Check<number> = (value, field) => {
  if (Number.isFinite(value) && (value as number) > 0) return value as number
  throw wrong(field, 'a number above 0', value)
}

export function oneOf<T extends string | number>(...values: readonly T[]): Check<T> {
  return (value, field) => {
    const found = values.find(each => each === value)
    if (found !== undefined) return found
    throw wrong(field, values.map(each => JSON.stringify(each)).join(' or '), value)
  }
}

export function orNull<T>(check: Check<T>): Check<T | null> {
  return (value, field) => (value === null ? null : check(value, field))
}

export function listOf<T>(check: Check<T>, least = 0): Check<readonly T[]> {
  return (value, field) => {
    if (!Array.isArray(value) || value.length < least) {
      throw wrong(field, least === 0 ? 'a list' : `a list of ${least} or more`, value)
    }
    return value.map((each, at) => check(each, `${field}[${at}]`))
  }
}

/** Texts by name. */
export const texts: Check<Readonly<Record<string, string>>> = (value, field) =>
  Object.fromEntries(
    Object.entries(object(value, field)).map(([name, each]) => [name, text(each, `${field}.${name}`)]),
  )

/** An object with these fields. Others are left out: a later program may have added them. */
export function record<T>(fields: { readonly [K in keyof T]: Check<T[K]> }): Check<T> {
  return (value, field) => {
    const found = object(value, field)
    const names = Object.keys(fields) as (keyof T & string)[]
    return Object.fromEntries(
      names.map(name => [name, fields[name](found[name], field === '' ? name : `${field}.${name}`)]),
    ) as T
  }
}

function object(value: unknown, field: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>
  throw wrong(field === '' ? 'the document' : field, 'an object', value)
}
