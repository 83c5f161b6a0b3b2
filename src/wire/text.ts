/**
 * Short strings out of a receive buffer. Device names, kinds and queueing disciplines repeat endlessly in
 * dumps, so a string that was seen before is found by its bytes, without allocating.
 */
const LONGEST = 32
const SLOTS = 16384
const seen: string[] = new Array(SLOTS).fill('')
/** A byte order mark at the beginning of a name is a part of it. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** The bytes view[at, at + length) up to the first NUL, as UTF-8. */
export function readText(view: DataView, at: number, length: number): string {
  let end = 0
  let hash = 0x811c9dc5 // FNV-1a
  let ascii = true
  for (; end < length; end++) {
    const byte = view.getUint8(at + end)
    if (byte === 0) break
    if (byte > 0x7f) ascii = false
    hash = Math.imul(hash ^ byte, 0x01000193)
  }
  if (end === 0) return ''
  if (!ascii || end > LONGEST) return decoder.decode(new Uint8Array(view.buffer, view.byteOffset + at, end))
  const slot = (hash >>> 8) & (SLOTS - 1)
  const known = seen[slot]!
  if (known.length === end && sameBytes(known, view, at)) return known
  const text = decoder.decode(new Uint8Array(view.buffer, view.byteOffset + at, end))
  seen[slot] = text
  return text
}

function sameBytes(text: string, view: DataView, at: number): boolean {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) !== view.getUint8(at + i)) return false
  }
  return true
}
