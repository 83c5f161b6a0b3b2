import { getNetnsId } from '../rtnetlink/netns-id.ts'
import { SystemError } from '../wire/errors.ts'
import type { Netns } from '../wire/netns.ts'
import { ask, type Operation } from '../wire/operation.ts'

/** Which namespaces a namespace's ids stood for when they were last looked up. */
type Known = Map<number, Netns>

/**
 * The namespace that `netns` knows by an id: a named one, else one that a process or a thread is in, else null.
 * What is remembered is asked again before it is believed: ids are given anew, and a process may be in another namespace by now.
 */
export function* findNetns(netns: Netns, id: number): Operation<Netns | null> {
  const known = yield* remembered(netns)
  const before = known.get(id)
  if (before !== undefined && (yield* isStill(before)) && (yield* idOf(netns, before)) === id) return before
  known.delete(id)
  for (const held of ['by name', 'by process', 'by thread'] as const) {
    for (const candidate of yield* ask<'namespaces'>({ kind: 'namespaces', held })) {
      const found = yield* idOf(netns, candidate)
      if (found !== null) known.set(found, candidate)
    }
    const match = known.get(id)
    if (match !== undefined) return match
  }
  return null
}

/** By a process's id the kernel tells of whatever namespace that process is in. Somebody else's may not be looked into. */
function* isStill(before: Netns): Operation<boolean> {
  return before.inode === null || (yield* inodeNow(before)) === before.inode
}

/** Which namespace its path stands for now; null for none that may be looked at. */
export function* inodeNow({ path }: Netns): Operation<number | null> {
  try {
    return (yield* ask<'identify'>({ kind: 'identify', netns: { path, inode: null } })).inode
  } catch (error) {
    if (isOutOfReach(error)) return null
    throw error
  }
}

/** null also for a candidate that is gone meanwhile, or that may not be looked at. */
export function* idOf(netns: Netns, candidate: Netns): Operation<number | null> {
  try {
    return yield* getNetnsId(netns, candidate)
  } catch (error) {
    if (isOutOfReach(error)) return null
    throw error
  }
}

/** Gone, another one by now, or not ours to look at; but not that we ourselves have run out of something. */
export function isOutOfReach(error: unknown): error is SystemError {
  return error instanceof SystemError && !['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS'].includes(error.code)
}

function* remembered(netns: Netns): Operation<Known> {
  const memory = yield* ask<'memory'>({ kind: 'memory' })
  const { inode } = yield* ask<'identify'>({ kind: 'identify', netns })
  const key = `namespace ids of ${inode}`
  const known = (memory.get(key) as Known | undefined) ?? new Map<number, Netns>()
  memory.set(key, known)
  return known
}
