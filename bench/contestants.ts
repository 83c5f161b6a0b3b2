import type { NetnsHandle } from '../src/sync.ts'
import type { Contestant } from './contestant.ts'
import { oursAsync, oursSync } from './ours.ts'
import { rawC } from './raw-c.ts'

export interface Contestants {
  /** What all ratios are to. */
  readonly limit: Contestant
  readonly sync: Contestant
  readonly promises: Contestant
  /** Every one, in the order of a round and of the table; other libraries go here. */
  readonly all: readonly Contestant[]
}

/** Everyone who asks for the links of this namespace, and for the one of this name. */
export function contestants(netns: NetnsHandle, name: string): Contestants {
  const limit = rawC(netns, name)
  const sync = oursSync(netns, name)
  const promises = oursAsync(netns, name)
  return { limit, sync, promises, all: [limit, sync, promises] }
}
