/**
 * For callers without types: an option that is misspelt, or given in another form, would silently mean its default.
 * @throws TypeError for what is no object, and for a key that is none of `keys`.
 */
export function checkOptions(what: string, options: unknown, keys: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TypeError(`${what} takes { ${keys.join(', ')} }, not ${quote(options)}`)
  }
  for (const key of Object.keys(options)) {
    if (!keys.includes(key)) throw new TypeError(`${what} has no option '${key}'; it has ${keys.join(', ')}`)
  }
}

/** @throws TypeError for a value that is none of these. */
export function checkChoice(what: string, value: string, choices: readonly string[]): void {
  if (choices.includes(value)) return
  throw new TypeError(`${what} must be ${choices.map(quote).join(' or ')}, not ${quote(value)}`)
}

/** A value as a message shows it: '1' and 1 look different. */
export function quote(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : String(value)
}
