import type { ProgramSource } from '../../src/index.ts'

/** What tells this benchmark's programs from all others on the machine, in bpftool's lists too. */
export const PROGRAM_NAME = `bench_${process.pid}`

export function named(program: ProgramSource): ProgramSource {
  return { ...program, name: PROGRAM_NAME }
}
