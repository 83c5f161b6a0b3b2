import { closeDescriptor } from '../bpf/descriptor.ts'
import { quote } from '../wire/check-options.ts'
import { SystemError } from '../wire/errors.ts'
import { descriptorPath, NETNS_DIRECTORY, type Netns } from '../wire/netns.ts'
import { ask, type Operation } from '../wire/operation.ts'

/** A namespace of our making. */
export interface OwnNetns extends Netns {
  /** Its name under /run/netns, or null when only the descriptor holds it. */
  readonly name: string | null
  /** The descriptor that keeps it alive, or null when its name does. */
  readonly fd: number | null
  /** removeNetns() has been there: the name or the number may be somebody else's now. */
  removed: boolean
}

/**
 * Makes a network namespace: named, where `ip netns add` puts it, or held by a descriptor and gone with this process.
 * @throws SystemError EPERM without CAP_SYS_ADMIN, EEXIST when the name is taken.
 */
export function* createNetns(name: string | null): Operation<OwnNetns> {
  if (name !== null && (typeof name !== 'string' || name === '' || /^\.{1,2}$|[/\0]/.test(name))) {
    throw new TypeError(`${quote(name)} cannot be a network namespace's name`)
  }
  const bound = name === null ? '' : `${NETNS_DIRECTORY}/${name}`
  const fd = yield* ask<'create netns'>({ kind: 'create netns', path: bound })
  const path = name === null ? descriptorPath(fd) : bound
  const { inode } = yield* ask<'identify'>({ kind: 'identify', netns: { path, inode: null } })
  return { path, inode, name, fd: name === null ? fd : null, removed: false }
}

/**
 * Lets go of it: it ends when no process, socket or other name holds it either. A second time does nothing, nor
 * when its name has gone or stands for another namespace by now.
 */
export function* removeNetns(netns: OwnNetns): Operation<void> {
  if (netns.removed) return
  if (netns.fd !== null) {
    netns.removed = true // whatever close(2) says, the number is free
    return yield* closeDescriptor(netns.fd)
  }
  if (yield* hasItsName(netns)) yield* ask<'remove netns'>({ kind: 'remove netns', path: netns.path })
  netns.removed = true
}

function* hasItsName(netns: OwnNetns): Operation<boolean> {
  try {
    const { inode } = yield* ask<'identify'>({ kind: 'identify', netns })
    return inode === netns.inode
  } catch (error) {
    if (error instanceof SystemError && error.code === 'ENOENT') return false
    throw error
  }
}
