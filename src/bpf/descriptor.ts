import { ask, type Operation } from '../wire/operation.ts'
import { BpfAttr, bpf } from './command.ts'

const OBJ_GET = { pathname: 0, size: 16 } as const

/** A descriptor of ours. Once it is closed its number may be anybody's: it is closed once, and asked for no more. */
export interface Held {
  fd: number | null
}

/** Closes it, unless that has been done. */
export function* closeOnce(held: Held): Operation<void> {
  const { fd } = held
  held.fd = null
  if (fd !== null) yield* closeDescriptor(fd)
}

/** Closes a descriptor. A program, map or link that nothing else holds goes away with it. */
export function* closeDescriptor(fd: number): Operation<void> {
  yield* ask({ kind: 'close', fd })
}

/** Opens a descriptor, hands it over and closes it, whatever happens in between. */
export function* withDescriptor<T>(open: Operation<number>, use: (fd: number) => Operation<T>): Operation<T> {
  const fd = yield* open
  try {
    return yield* use(fd)
  } finally {
    yield* closeDescriptor(fd)
  }
}

/**
 * BPF_OBJ_GET: a descriptor for what is pinned at a path of a BPF file system. Kernel 4.4.
 * @throws SystemError ENOENT, EACCES, EINVAL when the path is on another file system. Source: kernel/bpf/inode.c.
 */
export function openPinned(path: string): Operation<number> {
  return bpf('BPF_OBJ_GET', new BpfAttr(OBJ_GET.size).string(OBJ_GET.pathname, path))
}
