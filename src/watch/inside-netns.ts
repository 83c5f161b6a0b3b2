import { findNetns } from '../veth/netns-search.ts'
import { NetlinkError, SystemError } from '../wire/errors.ts'
import { type Netns, OWN_NETNS } from '../wire/netns.ts'
import type { Operation } from '../wire/operation.ts'
import type { Place } from './places.ts'

/**
 * Asks inside a namespace, as generic netlink must be: it takes no ids. Of one that nothing which can be found leads to any
 * more there is nothing to tell, as if it had ended; mostly it has.
 */
export function* inside<T>(place: Place, ask: (netns: Netns) => Operation<T[]>): Operation<T[]> {
  for (const isFirst of [true, false]) {
    if (place.netnsId !== null && (place.netns === null || !isFirst))
      place.netns = yield* findNetns(OWN_NETNS, place.netnsId)
    if (place.netns === null) break
    try {
      return yield* ask(place.netns)
    } catch (error) {
      if (!leadsElsewhere(error)) throw error
    }
  }
  return []
}

/** The path, or the process in it, is gone, or is in another namespace by now. */
function leadsElsewhere(error: unknown): boolean {
  const isOfPath = error instanceof SystemError && !(error instanceof NetlinkError)
  return isOfPath && ['ENOENT', 'ESRCH', 'ESTALE', 'EINVAL'].includes(error.code)
}
