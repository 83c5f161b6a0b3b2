import { LITTLE_ENDIAN } from '../../src/wire/netlink.ts'

/** struct btf_type's info. */
export const info = (kind: number, vlen = 0, kindFlag = 0) => kindFlag * 2 ** 31 + kind * 2 ** 24 + vlen
export const [INT, PTR, STRUCT, UNION, TYPEDEF, CONST] = [1, 2, 4, 5, 8, 10] as const

/** A string section, and the offset of each string in it; a split one starts where the base's ends. */
export function stringSection(names: readonly string[], first = 0) {
  const text = `${first === 0 ? '\0' : ''}${names.map(name => `${name}\0`).join('')}`
  const at = (name: string) =>
    first + (first === 0 ? 1 : 0) + (names.indexOf(name) === -1 ? Number.NaN : offset(names, name))
  return { bytes: new TextEncoder().encode(text), at }
}

function offset(names: readonly string[], name: string): number {
  let at = 0
  for (const other of names.slice(0, names.indexOf(name))) at += other.length + 1
  return at
}

/** A blob of BTF in this machine's byte order: a header, types as words, strings; kinds' sizes where there are any. */
export function blob(
  types: readonly number[],
  strings: Uint8Array,
  layout: Uint8Array | null = null,
): Uint8Array {
  const headerSize = layout === null ? 24 : 32
  const typeBytes = 4 * types.length
  const bytes = new Uint8Array(headerSize + typeBytes + strings.length + (layout?.length ?? 0))
  const view = new DataView(bytes.buffer)
  view.setUint16(0, 0xeb9f, LITTLE_ENDIAN) // magic
  view.setUint8(2, 1) // version; then flags
  const words = [headerSize, 0, typeBytes, typeBytes, strings.length]
  if (layout !== null) words.push(typeBytes + strings.length, layout.length)
  for (const [i, word] of words.entries()) view.setUint32(4 + 4 * i, word, LITTLE_ENDIAN)
  for (const [i, word] of types.entries()) view.setUint32(headerSize + 4 * i, word, LITTLE_ENDIAN)
  bytes.set(strings, headerSize + typeBytes)
  if (layout !== null) bytes.set(layout, headerSize + typeBytes + strings.length)
  return bytes
}
