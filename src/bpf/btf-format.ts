import { DecodeError } from '../wire/errors.ts'
import { LITTLE_ENDIAN } from '../wire/netlink.ts'

/**
 * How BTF lies in memory: a header, the types one behind the other, the strings.
 * Source: include/uapi/linux/btf.h, Documentation/bpf/btf.rst.
 */

const BTF_MAGIC = 0xeb9f
const BTF_VERSION = 1

/** struct btf_header. Offsets of sections count from its end. The layout section came in 7.x. */
const HEADER = {
  magic: 0,
  version: 2,
  hdr_len: 4,
  type_off: 8,
  type_len: 12,
  str_off: 16,
  str_len: 20,
  layout_off: 24,
  layout_len: 28,
} as const
const HEADER_SIZE = { first: 24, withLayout: 32 } as const

/** struct btf_type. The third word is a size or the id of another type. */
export const TYPE = { name_off: 0, info: 4, size: 8, type: 8, length: 12 } as const
/** struct btf_member, behind a STRUCT or UNION. */
export const MEMBER = { name_off: 0, type: 4, offset: 8, length: 12 } as const
/** struct btf_layout: the sizes for each kind that the writer knew. */
const LAYOUT = { info_sz: 0, elem_sz: 1, length: 4 } as const

/** enum BTF_KIND_*: the bytes behind a btf_type, and further bytes per element (vlen). */
export const KINDS: readonly (readonly [kind: string, info: number, element: number])[] = [
  ['UNKN', 0, 0],
  ['INT', 4, 0],
  ['PTR', 0, 0],
  ['ARRAY', 12, 0],
  ['STRUCT', 0, MEMBER.length],
  ['UNION', 0, MEMBER.length],
  ['ENUM', 0, 8],
  ['FWD', 0, 0],
  ['TYPEDEF', 0, 0],
  ['VOLATILE', 0, 0],
  ['CONST', 0, 0],
  ['RESTRICT', 0, 0],
  ['FUNC', 0, 0],
  ['FUNC_PROTO', 0, 8],
  ['VAR', 4, 0],
  ['DATASEC', 0, 12],
  ['FLOAT', 0, 0],
  ['DECL_TAG', 4, 0],
  ['TYPE_TAG', 0, 0],
  ['ENUM64', 0, 12],
]
const LAST_KIND = `${KINDS.length - 1}, ${KINDS.at(-1)![0]}`
export const KIND = {
  INT: 1,
  STRUCT: 4,
  UNION: 5,
  ENUM: 6,
  TYPEDEF: 8,
  VOLATILE: 9,
  CONST: 10,
  RESTRICT: 11,
  TYPE_TAG: 18,
} as const

/** Bytes [at, end) of a blob. */
export interface Section {
  readonly at: number
  readonly end: number
}

export interface Sections {
  readonly types: Section
  readonly strings: Section
  readonly layout: Section
}

/** @throws DecodeError for what is no BTF or is cut short. */
export function sectionsOf(view: DataView): Sections {
  const { byteLength } = view
  if (byteLength < HEADER_SIZE.first)
    throw new DecodeError(`BTF: ${byteLength} bytes are too few for a header`, 0)
  const magic = view.getUint16(HEADER.magic, LITTLE_ENDIAN)
  const version = view.getUint8(HEADER.version)
  if (magic !== BTF_MAGIC || version !== BTF_VERSION) {
    throw new DecodeError(`BTF: this begins with 0x${magic.toString(16)}, version ${version}`, 0)
  }
  const headerSize = view.getUint32(HEADER.hdr_len, LITTLE_ENDIAN)
  if (headerSize < HEADER_SIZE.first || headerSize > byteLength) {
    throw new DecodeError(`BTF: a header of ${headerSize} bytes`, HEADER.hdr_len)
  }
  const section = (offset: number, size: number): Section => {
    const at = headerSize + view.getUint32(offset, LITTLE_ENDIAN)
    const end = at + view.getUint32(size, LITTLE_ENDIAN)
    if (end > byteLength)
      throw new DecodeError(`BTF: a section up to byte ${end} of ${byteLength}: cut short?`, offset)
    return { at, end }
  }
  return {
    types: section(HEADER.type_off, HEADER.type_len),
    strings: section(HEADER.str_off, HEADER.str_len),
    layout: headerSize < HEADER_SIZE.withLayout ? NOWHERE : section(HEADER.layout_off, HEADER.layout_len),
  }
}

const NOWHERE: Section = { at: 0, end: 0 }

/**
 * Where each type begins. Afterwards all that belongs to one can be read without looking at the bounds again.
 * @throws DecodeError for types that are cut short, or of a kind that nobody here knows.
 */
export function indexTypes(view: DataView, { types, layout }: Sections): Uint32Array {
  const starts = new Uint32Array(Math.floor((types.end - types.at) / TYPE.length))
  let count = 0
  for (let at = types.at; at < types.end; count++) {
    const behind = at + TYPE.length
    if (behind > types.end) throw new DecodeError('BTF: the last type is cut short', at)
    starts[count] = at
    at = behind + further(view, at, layout)
    if (at > types.end) throw new DecodeError('BTF: the last type is cut short', starts[count]!)
  }
  return starts.slice(0, count)
}

/** The bytes behind a type's btf_type. */
function further(view: DataView, at: number, layout: Section): number {
  const info = view.getUint32(at + TYPE.info, LITTLE_ENDIAN)
  const kind = kindOf(info)
  const known = KINDS[kind]
  if (kind !== 0 && known !== undefined) return known[1] + known[2] * vlenOf(info)
  // A kind newer than this library. Its length is in the layout section, where there is one.
  const said = layout.at + kind * LAYOUT.length
  if (kind === 0 || said + LAYOUT.length > layout.end) {
    throw new DecodeError(`BTF: a type of the unknown kind ${kind}; the last known is ${LAST_KIND}`, at)
  }
  return view.getUint8(said + LAYOUT.info_sz) + view.getUint8(said + LAYOUT.elem_sz) * vlenOf(info)
}

/** Before 7.x vlen had 16 bits and kind 5, with zeros above. */
export function vlenOf(info: number): number {
  return info & 0xffffff
}

export function kindOf(info: number): number {
  return (info >>> 24) & 0x7f
}
