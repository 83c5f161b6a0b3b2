import { existsSync, readFileSync } from 'node:fs'

/** The kernel's numbers by name, as a header for user space defines them. */
export type Numbers = ReadonlyMap<string, number>

/** Where the kernel's headers are; other ones than the machine's may be newer. */
const HEADERS = process.env.KERNEL_HEADERS ?? '/usr/include'

/** Reads include/uapi/linux/<file> as installed (linux-libc-dev), or says why it cannot. */
export function kernelHeader(file: string): Numbers | string {
  const path = `${HEADERS}/linux/${file}`
  return existsSync(path)
    ? numbersIn(withGenerated(path))
    : `needs ${path} (linux-libc-dev, of a newer kernel if need be)`
}

/** From 6.14 on some enums are generated from the netlink specifications, in a header that this one includes. */
function withGenerated(path: string): string {
  const generated = path.replace('.h', '_generated.h')
  return [path, generated].map(file => (existsSync(file) ? readFileSync(file, 'utf8') : '')).join('\n')
}

/** Enumerators and macros that are integers; others of the same header may stand in for them. */
export function numbersIn(source: string): Numbers {
  const numbers = new Map<string, number>()
  const text = source.replace(/\/\*.*?\*\//gs, ' ').replace(/\\\n/g, ' ')
  const value = (words: string): number | undefined => {
    const known = words.replace(/\b[A-Z_a-z]\w*\b/g, name => String(numbers.get(name) ?? 'unknown'))
    if (!/^[\d\sxXa-fA-FUL()|<+-]+$/.test(known.replaceAll('0x', ''))) return undefined
    return evaluate(known)
  }
  for (const [line, name, words] of text.matchAll(
    /^[ \t]*#define[ \t]+(\w+)[ \t]+(\S.*)$|enum\b[^{;]*\{([^}]*)\}/gm,
  )) {
    if (name !== undefined) {
      const number = value(words!)
      if (number !== undefined) numbers.set(name, number)
      continue
    }
    let next: number | undefined = 0
    for (const item of line
      .slice(line.indexOf('{') + 1, -1)
      .replace(/^\s*#.*$/gm, '')
      .split(',')) {
      const [enumerator, expression] = item.split('=').map(part => part.trim())
      if (!enumerator) continue
      if (expression !== undefined) next = value(expression)
      if (next === undefined) continue
      numbers.set(enumerator, next)
      next++
    }
  }
  return numbers
}

/** Sums, shifts and unions of integers, as headers write them. */
function evaluate(expression: string): number | undefined {
  const tokens = expression.replace(/(\d)U?L*\b/g, '$1').match(/0x[\da-fA-F]+|\d+|<<|[()|+-]/g) ?? []
  let at = 0
  const atom = (): number => {
    const token = tokens[at++]
    if (token === '(') {
      const inner = union()
      at++
      return inner
    }
    return token === '-' ? -atom() : Number(token)
  }
  const sum = (): number => {
    let left = atom()
    while (tokens[at] === '+' || tokens[at] === '-')
      left = tokens[at++] === '+' ? left + atom() : left - atom()
    return left
  }
  const shift = (): number => {
    let left = sum()
    while (tokens[at] === '<<') {
      at++
      left <<= sum()
    }
    return left
  }
  const union = (): number => {
    let left = shift()
    while (tokens[at] === '|') {
      at++
      left |= shift()
    }
    return left
  }
  const number = union()
  return Number.isNaN(number) || at < tokens.length ? undefined : number
}
