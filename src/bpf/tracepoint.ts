import type { Operation } from '../wire/operation.ts'
import { BpfAttr, bpf } from './command.ts'

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
