import { listNapi } from '../netdev/napi.ts'
import { UnsupportedError } from '../wire/errors.ts'
import type { Operation } from '../wire/operation.ts'
import { readNapiFromMemory } from './napi-memory.ts'
import { refOf, type VethEnd, type VethPair } from './peer.ts'

/** How many NAPI instances an end of a veth has: one per receive queue, or none. */
export interface NapiSeen {
  readonly instances: number
  /** Which message said so, or that it was read in the kernel's memory. */
  readonly evidence: string
}

/** What napi-get tells; null before Linux 6.8. */
export function* napiByNetlink(end: VethEnd): Operation<NapiSeen | null> {
  try {
    const { length } = yield* listNapi(refOf(end))
    return napiSeen(length)
  } catch (error) {
    if (error instanceof UnsupportedError) return null
    throw error
  }
}

export function napiSeen(instances: number): NapiSeen {
  return { instances, evidence: `NETDEV_CMD_NAPI_GET: ${instances} instances` }
}

/** What the kernel's memory holds of a veth's peer, wherever that is; null where there is no way to look. */
export function* peerNapiInMemory(target: VethEnd): Operation<NapiSeen | null> {
  const found = yield* readNapiFromMemory(refOf(target))
  if ('unavailable' in found) return null
  const { queues } = found.peer
  const instances = queues.filter(on => on).length
  const evidence = `read in the kernel's memory, where its BTF says: NAPI on ${instances} of ${queues.length} receive queues`
  return { instances, evidence }
}

/** The one or the other, for whoever has the privileges anyway. */
export function* peerNapi({ target, peer }: VethPair): Operation<NapiSeen | null> {
  return (yield* napiByNetlink(peer)) ?? (yield* peerNapiInMemory(target))
}
