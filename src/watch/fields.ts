/** The fields in which two states of an object differ; of plain values, lists of them, and objects with such. */
export function changedFields<T extends object>(before: T, after: T): (keyof T & string)[] {
  const fields = Object.keys(after) as (keyof T & string)[]
  return fields.filter(field => !isSame(before[field], after[field]))
}

export function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (!isObject(a) || !isObject(b)) return false
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((one, i) => isSame(one, b[i]))
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every(key => isSame(a[key], b[key]))
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
