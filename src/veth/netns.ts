import { NETNS_DIRECTORY, type Netns } from '../wire/netns.ts'
import { ask, type Operation } from '../wire/operation.ts'

/** A namespace of our making. */
export interface OwnNetns extends Netns {
  /** Its name under /run/netns, or null when only the descriptor holds it. */
  readonly name: string | null
  /** The descriptor that keeps it alive, or null when its name does. */
  readonly fd: number | null
}

/**
 * Makes a network namespace: named, as `ip netns add` does, or held by a descriptor and gone with this process.
 * @throws SystemError EPERM without CAP_SYS_ADMIN, EEXIST when the name is taken.
 */
export function* createNetns(name: string | null): Operation<OwnNetns> {
  if (name !== null && (name === '' || /^\.{1,2}$|[/\0]/.test(name))) {
    throw new TypeError(`'${name}' cannot be a network namespace's name`)
  }
  const bound = name === null ? '' : `${NETNS_DIRECTORY}/${name}`
  const fd = yield* ask<'create netns'>({ kind: 'create netns', path: bound })
  const path = name === null ? `/proc/self/fd/${fd}` : bound
  const { inode } = yield* ask<'identify'>({ kind: 'identify', netns: { path, inode: null } })
  return { path, inode, name, fd: name === null ? fd : null }
}

/** Lets go of it: it ends when no process, socket or other name holds it either. */
export function* removeNetns({ path, fd }: OwnNetns): Operation<void> {
  if (fd === null) yield* ask<'remove netns'>({ kind: 'remove netns', path })
  else yield* ask<'close'>({ kind: 'close', fd })
}
