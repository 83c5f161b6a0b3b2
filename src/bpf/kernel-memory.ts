import type { Line } from './assembler.ts'
import { BPF_FUNC } from './helper.ts'
import { add, call, jump, load, mov, R0, R1, R2, R3, R10, type Register, type Size } from './instruction.ts'

/**
 * The licence of programs that read the kernel's memory: the helpers for it are gpl_only, and the kernel takes this
 * name for one that is compatible with the GPL. What such a program is made of is our own code, and MIT as the rest.
 * Source: license_is_gpl_compatible(), include/linux/license.h.
 */
export const KERNEL_MEMORY_LICENSE = 'Dual MIT/GPL'

const BYTES: Readonly<Record<Size, number>> = { B: 1, H: 2, W: 4, DW: 8 }

/**
 * dst = *(size *)(base + offset) in the kernel's memory, by way of the 8 bytes of stack at `scratch`, which are aligned.
 * Where nothing can be read it goes to the label. r0 … r5 hold nothing afterwards; base may be any of r6 … r9 and r0.
 */
export function readKernel(
  size: Size,
  dst: Register,
  base: Register,
  offset: number,
  scratch: number,
  unreadable: string,
): Line[] {
  return [
    mov(R3, base),
    add(R3, offset),
    mov(R1, R10),
    add(R1, scratch),
    mov(R2, BYTES[size]),
    call(BPF_FUNC.probe_read_kernel),
    jump('JNE', R0, 0, unreadable),
    load(size, dst, R10, scratch),
  ]
}

/** r0 = the address of the struct task_struct of the thread that runs the program. */
export function currentTask(): Line[] {
  return [call(BPF_FUNC.get_current_task)]
}
