import { runSync } from '../../src/kernel/kernel.ts'
import { SyncKernel } from '../../src/kernel/sync-kernel.ts'
import type { Operation } from '../../src/wire/operation.ts'

const kernel = new SyncKernel()

/** Runs an operation on this machine's kernel. */
export function real<T>(operation: Operation<T>): T {
  return runSync(operation, kernel)
}
