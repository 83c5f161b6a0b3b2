import { align4, LITTLE_ENDIAN, NLA_F_NESTED } from './netlink.ts'
import type { Netns } from './netns.ts'

const encoder = new TextEncoder()

/** An ArrayBuffer of its own costs a short request more than writing it does: they share larger ones. */
const SHORT = 128
const SLAB = 64 * SHORT
let slab = new ArrayBuffer(SLAB)
let taken = 0

/** Zeroed, and given out once. */
function room(): Uint8Array<ArrayBuffer> {
  if (taken === SLAB) {
    slab = new ArrayBuffer(SLAB)
    taken = 0
  }
  taken += SHORT
  return new Uint8Array(slab, taken - SHORT, SHORT)
}

/** Bytes in the machine's order, growing as they are written; attributes padded as netlink pads them. */
export class Writer {
  /** Offsets of 32-bit descriptors that the kernel object fills in when it sends. */
  readonly descriptors: [at: number, of: Netns][] = []
  #bytes = room()
  #view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, SHORT)
  #length = 0

  get length(): number {
    return this.#length
  }

  /** What has been written so far; a view, valid until the next write. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  u8(value: number): void {
    const at = this.#room(1)
    this.#view.setUint8(at, value)
  }

  u16(value: number): void {
    const at = this.#room(2)
    this.#view.setUint16(at, value, LITTLE_ENDIAN)
  }

  u32(value: number): void {
    const at = this.#room(4)
    this.#view.setUint32(at, value, LITTLE_ENDIAN)
  }

  s32(value: number): void {
    const at = this.#room(4)
    this.#view.setInt32(at, value, LITTLE_ENDIAN)
  }

  u64(value: bigint): void {
    const at = this.#room(8)
    this.#view.setBigUint64(at, value, LITTLE_ENDIAN)
  }

  raw(bytes: Uint8Array): void {
    const at = this.#room(bytes.length)
    this.#bytes.set(bytes, at)
  }

  /** UTF-8 with the final NUL that the kernel's NLA_NUL_STRING wants. */
  text(value: string): void {
    for (let i = 0; i < value.length; i++) {
      if (value.charCodeAt(i) > 0x7f) {
        this.raw(encoder.encode(value))
        this.u8(0)
        return
      }
    }
    const at = this.#room(value.length + 1)
    for (let i = 0; i < value.length; i++) this.#bytes[at + i] = value.charCodeAt(i)
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

  /** Where the next bytes go. It may replace the buffer, so ask for it before touching that. */
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
