import { device, listLinks } from '../src/index.ts'
import { type LoopDelay, watchLoop } from './loop-watch.ts'
import type { Scene } from './scene.ts'

/** How long requests by promises hold the event loop at a stretch, in each round. */
export interface Holds {
  readonly links: number
  /** A dump of so many links. */
  readonly dump: readonly LoopDelay[]
  /** One link by name, as often as in a turn, one after the other. */
  readonly get: readonly LoopDelay[]
}

export async function runHolds({ netns, links, name }: Scene, rounds: number, gets: number): Promise<Holds> {
  const veth = device(name, { netns })
  const [dump, get]: [LoopDelay[], LoopDelay[]] = [[], []]
  for (let round = 0; round < rounds; round++) {
    dump.push(await watchLoop('turn', () => listLinks({ netns })))
    get.push(
      await watchLoop('turn', async () => {
        for (let i = 0; i < gets; i++) await veth.getLink()
      }),
    )
  }
  return { links, dump, get }
}
