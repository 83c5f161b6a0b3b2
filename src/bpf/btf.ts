import { DecodeError } from '../wire/errors.ts'
import { LITTLE_ENDIAN } from '../wire/netlink.ts'
import { indexTypes, KIND, kindOf, MEMBER, type Section, sectionsOf, TYPE, vlenOf } from './btf-format.ts'

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

/**
 * The kernel's description of its own types: where in a struct a member lies, on the kernel that runs. It keeps the
 * blob that it is made of. Making it walks over all types once (some 5 ms for a kernel's 130,000), noting where each
 * begins; names are compared only when a struct is asked for.
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
  /** Those asked for, by name. */
  readonly #structs = new Map<string, number>()

  /**
   * With a base it is split BTF, a module's: its ids and strings go on where the base's end.
   * @throws DecodeError for what is no BTF, is cut short, or has kinds of types that nobody here knows.
   */
  constructor(bytes: Uint8Array, base: Btf | null = null) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#base = base
    const sections = sectionsOf(this.#view)
    this.#strings = sections.strings
    // Id 0 is void, which has no record.
    this.#firstId = base === null ? 1 : base.#endId()
    this.#firstString = base === null ? 0 : base.#endString()
    this.#types = indexTypes(this.#view, sections)
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
    const id = this.#structs.get(name) ?? this.#findStruct(new TextEncoder().encode(name))
    this.#structs.set(name, id)
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
}

function isComposite(kind: number): boolean {
  return kind === KIND.STRUCT || kind === KIND.UNION
}
