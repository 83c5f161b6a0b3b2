import { DecodeError } from '../wire/errors.ts'
import { LITTLE_ENDIAN } from '../wire/netlink.ts'

/**
 * BTF, the kernel's description of its own types: where in a struct a member lies, on the kernel that runs.
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
const TYPE = { name_off: 0, info: 4, size: 8, type: 8, length: 12 } as const
/** struct btf_member, behind a STRUCT or UNION. */
const MEMBER = { name_off: 0, type: 4, offset: 8, length: 12 } as const
/** struct btf_layout: the sizes for each kind that the writer knew. */
const LAYOUT = { info_sz: 0, elem_sz: 1, length: 4 } as const

/** enum BTF_KIND_*: the bytes behind a btf_type, and further bytes per element (vlen). */
const KINDS: readonly (readonly [kind: string, info: number, element: number])[] = [
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
const KIND = {
  INT: 1,
  PTR: 2,
  STRUCT: 4,
  UNION: 5,
  ENUM: 6,
  TYPEDEF: 8,
  VOLATILE: 9,
  CONST: 10,
  RESTRICT: 11,
  TYPE_TAG: 18,
} as const
/** What stands for another type. */
const MODIFIERS: ReadonlySet<number> = new Set<number>([
  KIND.TYPEDEF,
  KIND.VOLATILE,
  KIND.CONST,
  KIND.RESTRICT,
  KIND.TYPE_TAG,
])

/** How deep types may nest before we call it a circle. Source: MAX_RESOLVE_DEPTH, kernel/bpf/btf.c. */
const DEEPEST = 32

/** The types have no such struct or member: another kernel, or another build of it. */
export class BtfLookupError extends Error {
  override name = 'BtfLookupError'
}

/** A member: where it begins in the struct that was asked about, in bytes, and its type. */
export interface BtfMember {
  readonly offset: number
  readonly type: number
}

interface Section {
  readonly at: number
  readonly end: number
}

/**
 * The types of one blob, which it keeps. Making it walks over all of them once (some 5 ms for a kernel's 130,000),
 * noting where each begins; names are compared only when a struct is asked for.
 */
export class Btf {
  readonly #base: Btf | null
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #strings: Section
  /** Where each type begins, by id less #firstId. */
  readonly #types: Uint32Array
  readonly #firstId: number
  readonly #firstString: number

  /**
   * With a base it is split BTF, a module's: its ids and strings go on where the base's end.
   * @throws DecodeError for what is no BTF, is cut short, or has kinds of types that nobody here knows.
   */
  constructor(bytes: Uint8Array, base: Btf | null = null) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#base = base
    const { types, strings, layout } = this.#sections()
    this.#strings = strings
    // Id 0 is void, which has no record.
    this.#firstId = base === null ? 1 : base.#endId()
    this.#firstString = base === null ? 0 : base.#endString()
    this.#types = this.#index(types, layout)
  }

  /** @throws BtfLookupError when there is no struct of that name. */
  structSize(name: string): number {
    return this.#u32(this.#struct(name), TYPE.size)
  }

  hasMember(struct: string, path: string): boolean {
    try {
      this.member(struct, path)
      return true
    } catch (error) {
      if (error instanceof BtfLookupError) return false
      throw error
    }
  }

  /** The offset of a member in bytes: memberOffset('net_device', 'nd_net.net'). */
  memberOffset(struct: string, path: string): number {
    return this.member(struct, path).offset
  }

  /**
   * A member by its path, as C has it: members of anonymous structs and unions count as the outer one's.
   * @throws BtfLookupError for what is not there, saying which part; or is a bit field.
   */
  member(struct: string, path: string): BtfMember {
    let type = this.#struct(struct)
    let offset = 0
    let seen = `struct ${struct}`
    for (const [depth, name] of path.split('.').entries()) {
      const into = depth === 0 ? type : this.#composite(type, seen)
      const found = this.#find(into, name, DEEPEST)
      if (found === null) throw new BtfLookupError(`${seen} has no member '${name}'`)
      if (found.bits !== 0) throw new BtfLookupError(`member '${name}' of ${seen} is a bit field`)
      offset += found.offset
      type = found.type
      seen += depth === 0 ? `, member '${name}'` : `.${name}`
    }
    return { offset, type }
  }

  /** The size of an integer, enum, struct or union in bytes; null for the rest, of which pointers depend on the machine. */
  sizeOf(type: number): number | null {
    const plain = this.#unmodified(type)
    const kind = this.#kind(plain)
    const sized = kind === KIND.INT || kind === KIND.ENUM || kind === KIND.STRUCT || kind === KIND.UNION
    return sized ? this.#u32(plain, TYPE.size) : null
  }

  #struct(name: string): number {
    const id = this.#findStruct(new TextEncoder().encode(name))
    if (id === 0) throw new BtfLookupError(`there is no struct ${name}`)
    return id
  }

  /** The first struct of that name, the base's before our own; 0 when there is none. */
  #findStruct(name: Uint8Array): number {
    const inBase = this.#base === null ? 0 : this.#base.#findStruct(name)
    if (inBase !== 0) return inBase
    for (let i = 0; i < this.#types.length; i++) {
      const at = this.#types[i]!
      const isStruct = kindOf(this.#view.getUint32(at + TYPE.info, LITTLE_ENDIAN)) === KIND.STRUCT
      if (isStruct && this.#isNamed(this.#view.getUint32(at, LITTLE_ENDIAN), name)) return this.#firstId + i
    }
    return 0
  }

  #find(composite: number, name: string, deepest: number): (BtfMember & { bits: number }) | null {
    if (deepest === 0) throw this.#garbage('types nest in a circle', composite)
    const owner = this.#ownerOf(composite)
    return owner.#findHere(this, composite, new TextEncoder().encode(name), name, deepest)
  }

  /** `of` is who was asked: a split BTF may refer to types of the base, never the other way round. */
  #findHere(of: Btf, composite: number, bytes: Uint8Array, name: string, deepest: number) {
    const at = this.#types[composite - this.#firstId]!
    const info = this.#view.getUint32(at + TYPE.info, LITTLE_ENDIAN)
    for (let i = 0; i < vlenOf(info); i++) {
      const member = at + TYPE.length + i * MEMBER.length
      const nameAt = this.#view.getUint32(member + MEMBER.name_off, LITTLE_ENDIAN)
      const type = this.#view.getUint32(member + MEMBER.type, LITTLE_ENDIAN)
      const place = this.#view.getUint32(member + MEMBER.offset, LITTLE_ENDIAN)
      // With the kind_flag the upper byte is a bit field's width. Offsets are in bits.
      const [width, bit] = info >>> 31 === 1 ? [place >>> 24, place & 0xffffff] : [0, place]
      if (this.#isNamed(nameAt, bytes)) {
        return { offset: bit >>> 3, type, bits: width !== 0 ? width : bit & 7 }
      }
      if (nameAt !== 0) continue
      const plain = of.#unmodified(type)
      if (!isComposite(of.#kind(plain))) continue // an unnamed bit field
      const inner = of.#find(plain, name, deepest - 1)
      if (inner !== null) return { ...inner, offset: inner.offset + (bit >>> 3) }
    }
    return null
  }

  #composite(type: number, seen: string): number {
    const plain = this.#unmodified(type)
    if (isComposite(this.#kind(plain))) return plain
    throw new BtfLookupError(`${seen} is neither a struct nor a union`)
  }

  #unmodified(type: number): number {
    let plain = type
    for (let depth = 0; depth < DEEPEST; depth++) {
      if (!MODIFIERS.has(this.#kind(plain))) return plain
      plain = this.#u32(plain, TYPE.type)
    }
    throw this.#garbage('types refer to each other in a circle', type)
  }

  /** The kind of a type; 0 for void. */
  #kind(id: number): number {
    return id === 0 ? 0 : kindOf(this.#u32(id, TYPE.info))
  }

  #u32(id: number, field: number): number {
    const owner = this.#ownerOf(id)
    return owner.#view.getUint32(owner.#types[id - owner.#firstId]! + field, LITTLE_ENDIAN)
  }

  #ownerOf(id: number): Btf {
    if (id >= this.#endId() || id === 0) throw this.#garbage(`there is no type ${id}`, id)
    return this.#base !== null && id < this.#firstId ? this.#base.#ownerOf(id) : this
  }

  #endId(): number {
    return this.#firstId + this.#types.length
  }

  #endString(): number {
    return this.#firstString + this.#strings.end - this.#strings.at
  }

  /** Whether the string at an offset is that name. */
  #isNamed(nameAt: number, name: Uint8Array): boolean {
    if (this.#base !== null && nameAt < this.#firstString) return this.#base.#isNamed(nameAt, name)
    const at = this.#strings.at + nameAt - this.#firstString
    if (at + name.length >= this.#strings.end || this.#bytes[at + name.length] !== 0) return false
    for (let i = 0; i < name.length; i++) if (this.#bytes[at + i] !== name[i]) return false
    return true
  }

  #garbage(what: string, id: number): DecodeError {
    const known = id >= this.#firstId && id < this.#endId()
    return new DecodeError(`BTF: ${what}`, known ? this.#types[id - this.#firstId]! : 0)
  }

  #sections() {
    const { length } = this.#bytes
    if (length < HEADER_SIZE.first) throw new DecodeError(`BTF: ${length} bytes are too few for a header`, 0)
    const magic = this.#view.getUint16(HEADER.magic, LITTLE_ENDIAN)
    const version = this.#view.getUint8(HEADER.version)
    if (magic !== BTF_MAGIC || version !== BTF_VERSION) {
      throw new DecodeError(`BTF: this begins with 0x${magic.toString(16)}, version ${version}`, 0)
    }
    const headerSize = this.#view.getUint32(HEADER.hdr_len, LITTLE_ENDIAN)
    if (headerSize < HEADER_SIZE.first || headerSize > length) {
      throw new DecodeError(`BTF: a header of ${headerSize} bytes`, HEADER.hdr_len)
    }
    const section = (offset: number, size: number): Section => {
      const at = headerSize + this.#view.getUint32(offset, LITTLE_ENDIAN)
      const end = at + this.#view.getUint32(size, LITTLE_ENDIAN)
      if (end > length)
        throw new DecodeError(`BTF: a section up to byte ${end} of ${length}: cut short?`, offset)
      return { at, end }
    }
    return {
      types: section(HEADER.type_off, HEADER.type_len),
      strings: section(HEADER.str_off, HEADER.str_len),
      layout:
        headerSize < HEADER_SIZE.withLayout
          ? { at: 0, end: 0 }
          : section(HEADER.layout_off, HEADER.layout_len),
    }
  }

  /** Where each type begins. Afterwards its members can be read without looking at the bounds again. */
  #index({ at, end }: Section, layout: Section): Uint32Array {
    const starts = new Uint32Array(Math.floor((end - at) / TYPE.length))
    let count = 0
    while (at < end) {
      if (at + TYPE.length > end) throw new DecodeError('BTF: the last type is cut short', at)
      const info = this.#view.getUint32(at + TYPE.info, LITTLE_ENDIAN)
      starts[count++] = at
      at += TYPE.length + this.#further(info, layout, at)
      if (at > end) throw new DecodeError('BTF: the last type is cut short', starts[count - 1]!)
    }
    return starts.slice(0, count)
  }

  /** The bytes behind a type's btf_type. */
  #further(info: number, layout: Section, at: number): number {
    const kind = kindOf(info)
    const known = kind === 0 ? undefined : KINDS[kind]
    if (known !== undefined) return known[1] + known[2] * vlenOf(info)
    // A kind newer than this library: from 7.x on the kernel says how long it is.
    const said = layout.at + kind * LAYOUT.length
    if (kind === 0 || said + LAYOUT.length > layout.end) {
      throw new DecodeError(`BTF: a type of the unknown kind ${kind}, after ${KINDS.at(-1)![0]}`, at)
    }
    const element = this.#view.getUint8(said + LAYOUT.elem_sz)
    return this.#view.getUint8(said + LAYOUT.info_sz) + element * vlenOf(info)
  }
}

/** Up to 7.0 vlen had 16 bits and kind 5, with zeros between and above. */
function vlenOf(info: number): number {
  return info & 0xffffff
}

function kindOf(info: number): number {
  return (info >>> 24) & 0x7f
}

function isComposite(kind: number): boolean {
  return kind === KIND.STRUCT || kind === KIND.UNION
}
