import { SystemError } from '../wire/errors.ts'
import { ask, type Operation } from '../wire/operation.ts'
import { isSince } from './napi-rule.ts'

const PAUSE_MS = 50
const ATTEMPTS = 10

/**
 * Before Linux 5.11 programs and maps are counted against RLIMIT_MEMLOCK, often 64 KiB, of which a probe needs half;
 * and what is closed is counted until an RCU grace period and a worker have come round. So the EPERM of one probe that
 * follows another may pass.
 * Source: bpf_map_free_deferred(), kernel/bpf/syscall.c; __bpf_prog_put_rcu().
 */
export function* whenMemoryIsFree<T>(attempt: () => Operation<T>): Operation<T> {
  for (let left = ATTEMPTS; ; left--) {
    try {
      return yield* attempt()
    } catch (error) {
      if (left === 1 || !isOfMemory(error) || !(yield* countsMemory())) throw error
      yield* ask<'wait'>({ kind: 'wait', milliseconds: PAUSE_MS })
    }
  }
}

/** The same error says that a capability is missing; then it stays. */
function isOfMemory(error: unknown): boolean {
  if (!(error instanceof SystemError && error.code === 'EPERM')) return false
  return error.syscall === 'bpf BPF_MAP_CREATE' || error.syscall === 'bpf BPF_PROG_LOAD'
}

function* countsMemory(): Operation<boolean> {
  const { release } = yield* ask<'self'>({ kind: 'self' })
  return !isSince(release, 5, 11)
}
