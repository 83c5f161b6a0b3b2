import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { assemble, type Line, label } from '../../src/bpf/assembler.ts'
import {
  add,
  alu32,
  alu64,
  atomicAdd,
  call,
  exit,
  goto,
  jump,
  jump32,
  load,
  loadImm64,
  loadMapFd,
  mov,
  R0,
  R1,
  R2,
  R10,
  store,
} from '../../src/bpf/instruction.ts'

/**
 * struct bpf_insn on a little-endian machine: u8 code, u8 (src << 4 | dst), s16 off, s32 imm. The bytes are those
 * of the kernel's Documentation/bpf/standardization/instruction-set.rst, and what clang -target bpf makes of the
 * same lines.
 */
const VECTORS: readonly [what: string, line: Line, bytes: string][] = [
  ['r0 = 2', mov(R0, 2), 'b7 00 00 00 02 00 00 00'], // ALU64 | MOV | K
  ['r1 = r10', mov(R1, R10), 'bf a1 00 00 00 00 00 00'], // ALU64 | MOV | X, src r10, dst r1
  ['r2 += -8', add(R2, -8), '07 02 00 00 f8 ff ff ff'], // ALU64 | ADD | K
  ['r1 <<= 32', alu64('LSH', R1, 32), '67 01 00 00 20 00 00 00'], // ALU64 | LSH | K
  ['r1 s>>= 32', alu64('ARSH', R1, 32), 'c7 01 00 00 20 00 00 00'], // ALU64 | ARSH | K
  ['w1 = w1', alu32('MOV', R1, R1), 'bc 11 00 00 00 00 00 00'], // ALU | MOV | X
  ['r1 = *(u32 *)(r10 - 8)', load('W', R1, R10, -8), '61 a1 f8 ff 00 00 00 00'], // LDX | MEM | W
  ['r1 = *(u8 *)(r2 + 1)', load('B', R1, R2, 1), '71 21 01 00 00 00 00 00'], // LDX | MEM | B
  ['r1 = *(u16 *)(r2 + 2)', load('H', R1, R2, 2), '69 21 02 00 00 00 00 00'], // LDX | MEM | H
  ['*(u64 *)(r10 - 8) = r1', store('DW', R10, -8, R1), '7b 1a f8 ff 00 00 00 00'], // STX | MEM | DW
  ['*(u32 *)(r10 - 8) = 1', store('W', R10, -8, 1), '62 0a f8 ff 01 00 00 00'], // ST | MEM | W
  ['lock *(u64 *)(r0 + 8) += r1', atomicAdd('DW', R0, 8, R1), 'db 10 08 00 00 00 00 00'], // STX | ATOMIC | DW
  ['call 23', call(23), '85 00 00 00 17 00 00 00'], // JMP | CALL
  ['exit', exit(), '95 00 00 00 00 00 00 00'], // JMP | EXIT
  [
    'r1 = 0x123456789abcdef0 ll', // LD | IMM | DW; the upper half is the immediate of a second slot
    loadImm64(R1, 0x123456789abcdef0n),
    '18 01 00 00 f0 de bc 9a 00 00 00 00 78 56 34 12',
  ],
  ['r1 = -1 ll', loadImm64(R1, -1n), '18 01 00 00 ff ff ff ff 00 00 00 00 ff ff ff ff'],
  [
    'r1 = map 7', // the source register is BPF_PSEUDO_MAP_FD
    loadMapFd(R1, 7),
    '18 11 00 00 07 00 00 00 00 00 00 00 00 00 00 00',
  ],
]

describe('one instruction', () => {
  for (const [what, line, bytes] of VECTORS) {
    test(what, () => assert.equal(hex(assemble([line], true)), bytes))
  }

  test('on a big-endian machine dst is in the upper half of its byte', () => {
    assert.equal(hex(assemble([load('W', R1, R10, -8)], false)), '61 1a ff f8 00 00 00 00')
    assert.equal(hex(assemble([mov(R1, 2)], false)), 'b7 10 00 00 00 00 00 02')
  })
})

describe('jumps', () => {
  test('count slots from the one after the jump, of which a 64-bit load has two', () => {
    const code = assemble(
      [
        label('again'),
        jump('JEQ', R0, 0, 'out'), // slot 0
        loadImm64(R1, 1n), // slots 1, 2
        jump32('JNE', R0, R1, 'again'), // slot 3
        goto('out'), // slot 4
        label('out'),
        exit(), // slot 5
      ],
      true,
    )
    assert.equal(instruction(code, 0), '15 00 04 00 00 00 00 00') // JMP | JEQ | K, +4
    assert.equal(instruction(code, 3), '5e 10 fc ff 00 00 00 00') // JMP32 | JNE | X, -4
    assert.equal(instruction(code, 4), '05 00 00 00 00 00 00 00') // JMP | JA, +0
  })

  test('to a label that is not there', () => {
    assert.throws(() => assemble([goto('nowhere'), exit()]), {
      name: 'SyntaxError',
      message: "jump to the unknown label 'nowhere'",
    })
  })

  test('to a label that is there twice', () => {
    assert.throws(() => assemble([label('a'), exit(), label('a'), exit()]), {
      name: 'SyntaxError',
      message: "label 'a' is there twice",
    })
  })

  test('reach 32767 slots and no further', () => {
    const far = (slots: number) => [goto('end'), ...Array<Line>(slots).fill(mov(R0, 0)), label('end'), exit()]
    assert.equal(instruction(assemble(far(32767), true), 0), '05 00 ff 7f 00 00 00 00')
    assert.throws(() => assemble(far(32768)), {
      name: 'RangeError',
      message: 'offset 32768 of instruction 0 does not fit into 16 bits',
    })
  })
})

describe('operands', () => {
  test('an immediate has 32 bits and a sign', () => {
    assert.equal(hex(assemble([mov(R0, -0x80000000)], true)), 'b7 00 00 00 00 00 00 80')
    for (const immediate of [0x80000000, -0x80000001, 0.5, Number.NaN]) {
      assert.throws(() => assemble([exit(), mov(R0, immediate)]), {
        name: 'RangeError',
        message: `immediate ${immediate} of instruction 1 does not fit into 32 bits`,
      })
    }
  })

  test('a 64-bit immediate has 64 bits', () => {
    assert.throws(() => loadImm64(R0, 1n << 64n), RangeError)
    assert.throws(() => loadImm64(R0, -(1n << 63n) - 1n), RangeError)
  })
})

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join(' ')
}

function instruction(code: Uint8Array, slot: number): string {
  return hex(code.subarray(slot * 8, slot * 8 + 8))
}
