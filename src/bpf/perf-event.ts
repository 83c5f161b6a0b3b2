import { SystemError } from '../wire/errors.ts'
import { ask, type Operation } from '../wire/operation.ts'

/**
 * Runs a program of type TRACEPOINT at a tracepoint, on all CPUs, until the descriptor answered is closed. Linux 4.7.
 * @throws SystemError EPERM without CAP_PERFMON, EINVAL for a program that reads beyond the record.
 */
export function* attachTracepoint(id: number, program: number): Operation<number> {
  try {
    return yield* ask<'perf event'>({ kind: 'perf event', tracepoint: id, program })
  } catch (error) {
    if (!(error instanceof SystemError && error.code === 'EPERM')) throw error
    throw new SystemError(error.errno, error.syscall, 'needs CAP_PERFMON (before Linux 5.8 CAP_SYS_ADMIN)')
  }
}
