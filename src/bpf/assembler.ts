import { LITTLE_ENDIAN } from '../wire/netlink.ts'
import { type Instruction, REGISTERS } from './instruction.ts'

/** sizeof(struct bpf_insn). */
export const INSTRUCTION_SIZE = 8

/** A place in a program that jumps lead to. */
export interface Label {
  readonly label: string
}

/** What a program is written in. */
export type Line = Instruction | Label

export function label(name: string): Label {
  return { label: name }
}

/**
 * The program as the kernel wants it: struct bpf_insn, one after the other, in the given byte order.
 * @throws RangeError for an offset or immediate that does not fit its field; SyntaxError for a label that is
 * unknown or there twice.
 */
export function assemble(lines: readonly Line[], littleEndian = LITTLE_ENDIAN): Uint8Array {
  const labels = slotsOfLabels(lines)
  const bytes = new Uint8Array(slotCount(lines) * INSTRUCTION_SIZE)
  const view = new DataView(bytes.buffer)
  let slot = 0
  for (const line of lines) {
    if ('label' in line) continue
    const off = line.target === null ? line.off : distance(labels, line.target, slot)
    put(view, slot, line, off, littleEndian)
    slot += slots(line)
  }
  return bytes
}

function slotsOfLabels(lines: readonly Line[]): Map<string, number> {
  const labels = new Map<string, number>()
  let slot = 0
  for (const line of lines) {
    if ('label' in line) {
      if (labels.has(line.label)) throw new SyntaxError(`label '${line.label}' is there twice`)
      labels.set(line.label, slot)
    }
    slot += slots(line)
  }
  return labels
}

function slotCount(lines: readonly Line[]): number {
  let count = 0
  for (const line of lines) count += slots(line)
  return count
}

function slots(line: Line): number {
  if ('label' in line) return 0
  return line.high === null ? 1 : 2
}

/** Jumps count slots from the one after the jump. */
function distance(labels: ReadonlyMap<string, number>, target: string, slot: number): number {
  const to = labels.get(target)
  if (to === undefined) throw new SyntaxError(`jump to the unknown label '${target}'`)
  return to - (slot + 1)
}

function put(view: DataView, slot: number, line: Instruction, off: number, littleEndian: boolean): void {
  const at = slot * INSTRUCTION_SIZE
  view.setUint8(at, line.code)
  view.setUint8(at + 1, registers(line, littleEndian))
  view.setInt16(at + 2, fitting(off, 0x8000, 'offset', slot), littleEndian)
  view.setInt32(at + 4, fitting(line.imm, 0x80000000, 'immediate', slot), littleEndian)
  // The second slot of a 64-bit load is zero but for its immediate.
  if (line.high !== null) view.setInt32(at + INSTRUCTION_SIZE + 4, line.high, littleEndian)
}

/** dst_reg and src_reg are C bit fields, so the machine's byte order decides which one is in the lower half. */
function registers(line: Instruction, littleEndian: boolean): number {
  const dst = REGISTERS.indexOf(line.dst)
  const src = typeof line.src === 'number' ? line.src : REGISTERS.indexOf(line.src)
  return littleEndian ? (src << 4) | dst : (dst << 4) | src
}

/** The value, when it is an integer from -limit up to limit - 1. */
function fitting(value: number, limit: number, what: string, slot: number): number {
  if (!Number.isInteger(value) || value < -limit || value >= limit) {
    throw new RangeError(
      `${what} ${value} of instruction ${slot} does not fit into ${Math.log2(limit) + 1} bits`,
    )
  }
  return value
}
