import type { NetnsHandle } from '../src/sync.ts'
import type { Contestant } from './contestant.ts'
import { oursAsync, oursSync } from './ours.ts'
import { rawC } from './raw-c.ts'

/**
 * Everyone who asks for the links of this namespace, and for the one of this name: in the order of a round and of the
 * table, first the limit that all ratios are to. Other libraries come behind.
 */
export function contestants(netns: NetnsHandle, name: string): Contestant[] {
  return [rawC(netns, name), oursSync(netns, name), oursAsync(netns, name)]
}
