import { flag, type Kind, u32 } from '../wire/attribute.ts'
import { align4, LITTLE_ENDIAN, NLA_HDRLEN, NLA_TYPE_MASK } from '../wire/netlink.ts'
import { NO_UNKNOWN, table } from '../wire/table.ts'

/** ETHTOOL_A_BITSET_*. Source: Documentation/networking/ethtool-netlink.rst, "Bit sets". */
const A_BITSET = { NOMASK: 1, SIZE: 2, BITS: 3, VALUE: 4, MASK: 5 } as const

/** The words of a compact bit set: bit i is in word i / 32. */
const words: Kind<Uint32Array> = {
  least: 0,
  read(view, at, length) {
    const list = new Uint32Array(length >> 2)
    for (let i = 0; i < list.length; i++) list[i] = view.getUint32(at + 4 * i, LITTLE_ENDIAN)
    return list
  },
  write(writer, value) {
    for (const word of value) writer.u32(word)
  },
}

/** A set of bits in the compact form; how many there are grows with kernels. */
export class Bitset {
  unknown = NO_UNKNOWN
  /** The bits are a list: those not in it are not in the set either, and there is no mask. */
  noMask = false
  /** In bits. */
  size = 0
  value: Uint32Array = new Uint32Array(0)
  /** Which bits `value` says something about. */
  mask: Uint32Array = new Uint32Array(0)
}
export const BITSET = table<Bitset>([
  [A_BITSET.NOMASK, 'noMask', flag],
  [A_BITSET.SIZE, 'size', u32],
  [A_BITSET.VALUE, 'value', words],
  [A_BITSET.MASK, 'mask', words],
])

/** Bits that are to become `on`; the others are left alone. */
export function bitsetOf(size: number, bits: readonly number[], on: boolean): Bitset {
  const bitset = new Bitset()
  bitset.size = size
  bitset.value = new Uint32Array(Math.ceil(size / 32))
  bitset.mask = new Uint32Array(Math.ceil(size / 32))
  for (const bit of bits) {
    bitset.mask[bit >> 5]! |= 1 << (bit & 31)
    if (on) bitset.value[bit >> 5]! |= 1 << (bit & 31)
  }
  return bitset
}

/** Whether a bit is set; one past the end is not. */
export function hasBit(list: Uint32Array, bit: number): boolean {
  return (((list[bit >> 5] ?? 0) >>> (bit & 31)) & 1) === 1
}

/** One bit of the set in view[at, end), a sound nest: its words are looked at where they are. */
export function bitOf(view: DataView, at: number, end: number, bit: number): boolean {
  const word = NLA_HDRLEN + 4 * (bit >> 5)
  for (let next = at; next + NLA_HDRLEN <= end; ) {
    const size = view.getUint16(next, LITTLE_ENDIAN)
    if ((view.getUint16(next + 2, LITTLE_ENDIAN) & NLA_TYPE_MASK) === A_BITSET.VALUE) {
      return (
        bit >= 0 &&
        word + 4 <= size &&
        ((view.getUint32(next + word, LITTLE_ENDIAN) >>> (bit & 31)) & 1) === 1
      )
    }
    next += align4(size)
  }
  return false
}
