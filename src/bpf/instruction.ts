/**
 * eBPF instructions, one function per form. The names of sizes and operators are the kernel's.
 * Source: include/uapi/linux/bpf.h, bpf_common.h; Documentation/bpf/standardization/instruction-set.rst.
 */

export const R0 = 'r0'
export const R1 = 'r1'
export const R2 = 'r2'
export const R3 = 'r3'
export const R4 = 'r4'
export const R5 = 'r5'
export const R6 = 'r6'
export const R7 = 'r7'
export const R8 = 'r8'
export const R9 = 'r9'
/** The frame pointer: the stack is the 512 bytes below it. Read only. */
export const R10 = 'r10'

/** A register is a string, so that an operand which is a number can only be an immediate. */
export const REGISTERS = [R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10] as const
export type Register = (typeof REGISTERS)[number]

const BPF_CLASS = { LD: 0x00, LDX: 0x01, ST: 0x02, STX: 0x03, ALU: 0x04, JMP: 0x05, JMP32: 0x06, ALU64: 0x07 }
const BPF_MODE = { IMM: 0x00, MEM: 0x60, ATOMIC: 0xc0 }
/** Where the second operand is: the immediate or the source register. */
const BPF_K = 0x00
const BPF_X = 0x08

/** Bytes moved by a load or store: 1, 2, 4, 8. */
const BPF_SIZE = { B: 0x10, H: 0x08, W: 0x00, DW: 0x18 } as const
export type Size = keyof typeof BPF_SIZE

/** DIV and MOD are unsigned; ARSH is the shift that keeps the sign. */
const BPF_ALU = {
  ADD: 0x00,
  SUB: 0x10,
  MUL: 0x20,
  DIV: 0x30,
  OR: 0x40,
  AND: 0x50,
  LSH: 0x60,
  RSH: 0x70,
  MOD: 0x90,
  XOR: 0xa0,
  MOV: 0xb0,
  ARSH: 0xc0,
} as const
export type AluOp = keyof typeof BPF_ALU

/** The comparisons with an S are signed. JSET: any common bit. */
const BPF_JMP = {
  JEQ: 0x10,
  JGT: 0x20,
  JGE: 0x30,
  JSET: 0x40,
  JNE: 0x50,
  JSGT: 0x60,
  JSGE: 0x70,
  JLT: 0xa0,
  JLE: 0xb0,
  JSLT: 0xc0,
  JSLE: 0xd0,
} as const
export type JumpOp = keyof typeof BPF_JMP

const BPF_JA = 0x00
const BPF_CALL = 0x80
const BPF_EXIT = 0x90
/** In the source register's place of a 64-bit load: the immediate is a map's descriptor. */
const BPF_PSEUDO_MAP_FD = 1

/** What struct bpf_insn holds, before labels are resolved. */
export interface Instruction {
  readonly code: number
  readonly dst: Register
  /** A register, or the number of a pseudo source. */
  readonly src: Register | number
  readonly off: number
  readonly imm: number
  /** A jump: the label that `off` shall lead to, or null. */
  readonly target: string | null
  /** A 64-bit load: the upper half of the immediate, which takes a second slot, or null. */
  readonly high: number | null
}

/** dst = dst op src, in 64 bits. An immediate is 32 bits wide and sign-extended. */
export function alu64(op: AluOp, dst: Register, src: Register | number): Instruction {
  return operation(BPF_CLASS.ALU64 | BPF_ALU[op], dst, src)
}

/** dst = dst op src, in the lower 32 bits; the upper ones become zero. */
export function alu32(op: AluOp, dst: Register, src: Register | number): Instruction {
  return operation(BPF_CLASS.ALU | BPF_ALU[op], dst, src)
}

/** dst = src, in 64 bits. */
export function mov(dst: Register, src: Register | number): Instruction {
  return alu64('MOV', dst, src)
}

/** dst = dst + src, in 64 bits. */
export function add(dst: Register, src: Register | number): Instruction {
  return alu64('ADD', dst, src)
}

/** dst = value, all 64 bits of it. Two slots. */
export function loadImm64(dst: Register, value: bigint): Instruction {
  const low = Number(BigInt.asIntN(32, value))
  const high = Number(BigInt.asIntN(32, value >> 32n))
  if (BigInt.asUintN(64, value) !== value && BigInt.asIntN(64, value) !== value) {
    throw new RangeError(`${value} does not fit into 64 bits`)
  }
  return { ...plain(BPF_CLASS.LD | BPF_MODE.IMM | BPF_SIZE.DW, dst, 0, 0, low), high }
}

/** dst = the map behind a descriptor, which the verifier replaces by its address. Two slots. */
export function loadMapFd(dst: Register, fd: number): Instruction {
  const code = BPF_CLASS.LD | BPF_MODE.IMM | BPF_SIZE.DW
  return { ...plain(code, dst, BPF_PSEUDO_MAP_FD, 0, fd), high: 0 }
}

/** dst = *(size *)(src + off). What is narrower than 64 bits is zero-extended. */
export function load(size: Size, dst: Register, src: Register, off: number): Instruction {
  return plain(BPF_CLASS.LDX | BPF_MODE.MEM | BPF_SIZE[size], dst, src, off, 0)
}

/** *(size *)(dst + off) = src. */
export function store(size: Size, dst: Register, off: number, src: Register | number): Instruction {
  const mode = BPF_MODE.MEM | BPF_SIZE[size]
  if (typeof src === 'number') return plain(BPF_CLASS.ST | mode, dst, 0, off, src)
  return plain(BPF_CLASS.STX | mode, dst, src, off, 0)
}

/** *(size *)(dst + off) += src, atomically. The form that older kernels know as BPF_XADD. */
export function atomicAdd(size: 'W' | 'DW', dst: Register, off: number, src: Register): Instruction {
  return plain(BPF_CLASS.STX | BPF_MODE.ATOMIC | BPF_SIZE[size], dst, src, off, BPF_ALU.ADD)
}

/** Goes to the label when dst op src holds, comparing 64 bits. */
export function jump(op: JumpOp, dst: Register, src: Register | number, target: string): Instruction {
  return { ...operation(BPF_CLASS.JMP | BPF_JMP[op], dst, src), target }
}

/** Goes to the label when dst op src holds, comparing the lower 32 bits. Kernel 5.1. */
export function jump32(op: JumpOp, dst: Register, src: Register | number, target: string): Instruction {
  return { ...operation(BPF_CLASS.JMP32 | BPF_JMP[op], dst, src), target }
}

/** Goes to the label. */
export function goto(target: string): Instruction {
  return { ...plain(BPF_CLASS.JMP | BPF_JA, R0, 0, 0, 0), target }
}

/** dst = the address of what lies on the stack, `offset` bytes from its end (r10): a negative number. */
export function stackAddress(dst: Register, offset: number): Instruction[] {
  return [mov(dst, R10), add(dst, offset)]
}

/** r0 = helper(r1 … r5). Afterwards r1 … r5 hold nothing; r6 … r9 keep their values. */
export function call(helper: number): Instruction {
  return plain(BPF_CLASS.JMP | BPF_CALL, R0, 0, 0, helper)
}

/** Ends the program; its result is r0. */
export function exit(): Instruction {
  return plain(BPF_CLASS.JMP | BPF_EXIT, R0, 0, 0, 0)
}

function operation(code: number, dst: Register, src: Register | number): Instruction {
  if (typeof src === 'number') return plain(code | BPF_K, dst, 0, 0, src)
  return plain(code | BPF_X, dst, src, 0, 0)
}

function plain(code: number, dst: Register, src: Register | number, off: number, imm: number): Instruction {
  return { code, dst, src, off, imm, target: null, high: null }
}
