import type { AttributeIndex } from './decoder.ts'
import type { Message } from './message.ts'
import { align4, LITTLE_ENDIAN, NLA_HDRLEN, NLA_TYPE_MASK } from './netlink.ts'

/**
 * Names the attribute of a request that begins at an offset, as the extended ack gives it: 'linkInfo.data.peer'.
 * Numbers stand where no table has a name. '' when no attribute begins there.
 */
export function attributePath(message: Message, offset: number): string {
  return walk(message, offset).join('.')
}

/** Names an attribute that the kernel missed in the nest at nestOffset (null: at the top level). */
export function missingPath(message: Message, type: number, nestOffset: number | null): string {
  const nest = nestOffset === null ? [] : walk(message, nestOffset)
  let table = message.layout.table
  for (const name of nest) table = table?.byType.find(entry => entry?.field === name)?.inner ?? null
  return [...nest, nameOf(table, type)].join('.')
}

function walk(message: Message, offset: number): string[] {
  const bytes = message.bytes()
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const path: string[] = []
  let table: AttributeIndex | null = message.layout.table
  let at = message.attributesAt
  let end = bytes.length
  while (at + NLA_HDRLEN <= end) {
    const size = Math.max(view.getUint16(at, LITTLE_ENDIAN), NLA_HDRLEN)
    const type = view.getUint16(at + 2, LITTLE_ENDIAN) & NLA_TYPE_MASK
    if (offset >= at && offset < at + size) {
      path.push(nameOf(table, type))
      if (offset === at) return path
      const entry = table?.byType[type]
      if (entry?.inner === undefined) return path
      table = entry.inner
      end = at + size
      at += NLA_HDRLEN + entry.innerAt
    } else {
      at += align4(size)
    }
  }
  return path
}

function nameOf(table: AttributeIndex | null, type: number): string {
  return String(table?.byType[type]?.field ?? type)
}
