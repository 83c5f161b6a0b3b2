import { align4, LITTLE_ENDIAN, NLA_F_NESTED } from './netlink.ts'
import type { Netns } from './netns.ts'

const encoder = new TextEncoder()

/** Bytes in the machine's order, growing as they are written; attributes padded as netlink pads them. */
export class Writer {
  /** Offsets of 32-bit descriptors that the kernel object fills in when it sends. */
  readonly descriptors: [at: number, of: Netns][] = []
  #bytes = new Uint8Array(128)
  #view = new DataView(this.#bytes.buffer)
  #length = 0

  get length(): number {
    return this.#length
  }

  /** What has been written so far; a view, valid until the next write. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  u8(value: number): void {
    this.#view.setUint8(this.#room(1), value)
  }

  u16(value: number): void {
    this.#view.setUint16(this.#room(2), value, LITTLE_ENDIAN)
  }

  u32(value: number): void {
    this.#view.setUint32(this.#room(4), value, LITTLE_ENDIAN)
  }

  s32(value: number): void {
    this.#view.setInt32(this.#room(4), value, LITTLE_ENDIAN)
  }

  u64(value: bigint): void {
    this.#view.setBigUint64(this.#room(8), value, LITTLE_ENDIAN)
  }

  raw(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#room(bytes.length))
  }

  /** UTF-8 with the final NUL that the kernel's NLA_NUL_STRING wants. */
  text(value: string): void {
    this.raw(encoder.encode(value))
    this.u8(0)
  }

  zeros(count: number): void {
    this.#room(count)
  }

  /** A descriptor of a namespace, known only when the request is sent. */
  descriptor(of: Netns): void {
    this.descriptors.push([this.#length, of])
    this.s32(-1)
  }

  /** Overwrites 32 bits written earlier. */
  patchU32(at: number, value: number): void {
    this.#view.setUint32(at, value, LITTLE_ENDIAN)
  }

  /** One attribute: its header, what payload() writes, and the padding. */
  attribute(type: number, payload: () => void): void {
    const at = this.#length
    this.u16(0)
    this.u16(type)
    payload()
    const length = this.#length - at
    if (length > 0xffff)
      throw new RangeError(`attribute ${type} of ${length} bytes does not fit in a struct nlattr`)
    this.#view.setUint16(at, length, LITTLE_ENDIAN)
    this.zeros(align4(length) - length)
  }

  /** An attribute made of attributes. */
  nest(type: number, attributes: () => void): void {
    this.attribute(type | NLA_F_NESTED, attributes)
  }

  #room(count: number): number {
    const at = this.#length
    const needed = at + count
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length))
      larger.set(this.#bytes.subarray(0, at))
      this.#bytes = larger
      this.#view = new DataView(larger.buffer)
    }
    this.#length = needed
    return at
  }
}
