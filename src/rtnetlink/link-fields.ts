import { quote } from '../wire/check-options.ts'
import { DecodeError } from '../wire/errors.ts'
import { LITTLE_ENDIAN } from '../wire/netlink.ts'
import type { Decode } from '../wire/question.ts'
import { decodeAttributes, excerpt } from '../wire/table.ts'
import { LINK, Link } from './link.ts'
import { IFINFOMSG_SIZE } from './numbers.ts'

/** A field of a link that can be asked for by itself; `flags` has what `up` says, `linkinfo` the kind. */
export type LinkField = Exclude<keyof Link, 'unknown' | 'up' | 'kind'>

/** In struct ifinfomsg, before the attributes. */
const IN_HEADER: readonly LinkField[] = ['index', 'type', 'flags']
export const LINK_FIELDS: readonly LinkField[] = [
  ...IN_HEADER,
  ...LINK.rows.map(([, field]) => field as LinkField),
]

/** @throws TypeError naming the fields that there are. */
export function checkLinkFields(fields: readonly LinkField[]): void {
  if (!Array.isArray(fields)) throw new TypeError(`fields must be a list, not ${quote(fields)}`)
  for (const field of fields) {
    if (LINK_FIELDS.includes(field)) continue
    throw new TypeError(`a link has no field ${quote(field)} to be asked for: ${LINK_FIELDS.join(', ')}`)
  }
}

/**
 * Reads these fields of view[at, end), a struct ifinfomsg and its attributes, and passes over all others. One for all calls
 * with the same fields: a table has code made for it once it has read a thousand links.
 */
export function fieldsDecoder<F extends LinkField>(fields: readonly F[]): Decode<Pick<Link, F>> {
  const key = fields.join()
  const known = decoders.get(key) as Decode<Pick<Link, F>> | undefined
  if (known !== undefined) return known
  const decode = makeDecoder(fields)
  const oldest = decoders.size < MOST_DECODERS ? undefined : decoders.keys().next().value
  if (oldest !== undefined) decoders.delete(oldest)
  decoders.set(key, decode)
  return decode
}
const decoders = new Map<string, Decode<Partial<Link>>>()
/** A program asks for a few lists of fields; those made first go first. */
const MOST_DECODERS = 64

function makeDecoder<F extends LinkField>(fields: readonly F[]): Decode<Pick<Link, F>> {
  const wanted: ReadonlySet<string> = new Set(fields)
  const table = excerpt<Link>(LINK.rows.filter(([, field]) => wanted.has(field)))
  const initial = new Link()
  const blank = Object.fromEntries(fields.map(field => [field, initial[field]])) as Partial<Link>
  const [index, type, flags, altNames] = ['index', 'type', 'flags', 'altNames'].map(field =>
    wanted.has(field),
  )
  return (view, at, end) => {
    if (at + IFINFOMSG_SIZE > end) throw new DecodeError('a link message without its struct ifinfomsg', at)
    const link: Partial<Link> = { ...blank }
    if (type) link.type = view.getUint16(at + 2, LITTLE_ENDIAN)
    if (index) link.index = view.getInt32(at + 4, LITTLE_ENDIAN)
    if (flags) link.flags = view.getUint32(at + 8, LITTLE_ENDIAN)
    if (altNames) link.altNames = []
    return decodeAttributes(view, at + IFINFOMSG_SIZE, end, table, link as Link)
  }
}
