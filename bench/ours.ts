import { device, listLinks } from '../src/index.ts'
import type { NetnsHandle } from '../src/sync.ts'
import * as sync from '../src/sync.ts'
import { type Contestant, timed, timedAsync, WARM_UP_GETS } from './contestant.ts'

/** What the bounds are about. */
export const OURS_SYNC = 'veth-nl/sync'

/** Everything decoded; a dump's links all kept, in an array. */
export function oursSync(netns: NetnsHandle, name: string): Contestant {
  const veth = sync.device(name, { netns })
  return {
    name: OURS_SYNC,
    async getLink(count) {
      for (let i = 0; i < WARM_UP_GETS; i++) veth.getLink()
      return (
        timed(() => {
          for (let i = 0; i < count; i++) veth.getLink()
        }) / count
      )
    },
    async listLinks() {
      sync.listLinks({ netns })
      return timed(() => sync.listLinks({ netns }))
    },
  }
}

/** The same by promises, one awaited after the other. */
export function oursAsync(netns: NetnsHandle, name: string): Contestant {
  const veth = device(name, { netns })
  return {
    name: 'veth-nl, promises',
    async getLink(count) {
      for (let i = 0; i < WARM_UP_GETS; i++) await veth.getLink()
      const all = await timedAsync(async () => {
        for (let i = 0; i < count; i++) await veth.getLink()
      })
      return all / count
    },
    async listLinks() {
      await listLinks({ netns })
      return await timedAsync(() => listLinks({ netns }))
    },
  }
}
