import { SystemError } from '../wire/errors.ts'
import type { Operation } from '../wire/operation.ts'
import { BpfAttr, bpf } from './command.ts'
import { alu32, type Instruction, load, R6, type Register } from './instruction.ts'

const RAW_TRACEPOINT = { name: 0, prog_fd: 8, size: 12 } as const

/**
 * BPF_RAW_TRACEPOINT_OPEN: runs a program of type RAW_TRACEPOINT at a tracepoint, on all CPUs and for all
 * namespaces, until the descriptor answered is closed. The program finds the tracepoint's TP_PROTO arguments as
 * u64 each. Kernel 4.17; needs CAP_PERFMON beside CAP_BPF.
 * @throws SystemError ENOENT when there is no such tracepoint, EINVAL when the program reads more arguments than
 * it has. Source: bpf_raw_tp_link_attach(), kernel/bpf/syscall.c.
 */
export function openRawTracepoint(name: string, program: number): Operation<number> {
  const attr = new BpfAttr(RAW_TRACEPOINT.size)
    .string(RAW_TRACEPOINT.name, name)
    .u32(RAW_TRACEPOINT.prog_fd, program)
  return bpf('BPF_RAW_TRACEPOINT_OPEN', attr)
}

/** Whether openRawTracepoint() failed since the program reads an argument that this kernel's tracepoint has not. */
export function hasFewerArguments(error: unknown): boolean {
  return (
    error instanceof SystemError && error.code === 'EINVAL' && error.syscall === 'bpf BPF_RAW_TRACEPOINT_OPEN'
  )
}

/** An argument as its u64 slot has it: of an int only the lower half is defined. r6 is the program's context. */
export function loadArgument(dst: Register, place: number): Instruction {
  return load('DW', dst, R6, 8 * place)
}

/** An int that counts, so is not negative, without what the upper half of its slot may hold. */
export function loadCount(dst: Register, place: number): Instruction[] {
  return [loadArgument(dst, place), alu32('MOV', dst, dst)]
}
