import type { LinkExcerpt } from '../rtnetlink/link-excerpt.ts'
import { getLinkState } from '../rtnetlink/link-operations.ts'
import type { Netns } from '../wire/netns.ts'
import type { Operation } from '../wire/operation.ts'
import { isOutOfReach } from './netns-search.ts'
import { listAllNetns } from './sweep.ts'

/** What perf events tell of a redirect's devices. */
export interface Indexes {
  readonly from: number
  readonly to: number
  /** false where the kernel found no device of the index `to`. */
  readonly toExists: boolean
}

/**
 * Where only indexes are told: the namespace in which `from` has an XDP program and `to` is a device. Of several, or none,
 * it cannot be said; nor is a device seen that a devmap leads to in another namespace.
 */
export function* findNetnsByDevices({ from, to, toExists }: Indexes): Operation<Netns | string> {
  const fitting: Netns[] = []
  for (const netns of yield* listAllNetns()) {
    const source = yield* linkIn(netns, from)
    if ((source?.xdp?.mode ?? 'none') === 'none') continue
    if (((yield* linkIn(netns, to)) !== null) === toExists) fitting.push(netns)
  }
  const [only] = fitting
  if (only !== undefined && fitting.length === 1) return only
  const found = only === undefined ? 'none' : `${fitting.length}`
  return `perf events tell no namespace, and of those that can be looked at ${found} would do, with an XDP program on device ${from}`
}

function* linkIn(netns: Netns, index: number): Operation<LinkExcerpt | null> {
  try {
    return yield* getLinkState({ netns, device: index })
  } catch (error) {
    if (isOutOfReach(error)) return null
    throw error
  }
}
