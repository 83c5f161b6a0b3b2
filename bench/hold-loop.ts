/**
 * A process of its own, whose loop nothing else holds and whose heap has nobody else's garbage: `hold-loop.ts LIBRARY ROUNDS
 * GETS NAME`, in a namespace that it gets as descriptor 3. It prints how long its requests by promises held the event loop.
 */
import type { Held, Holds } from './holds.ts'
import { type LoopDelay, watchLoop } from './loop-watch.ts'

const netns = { fd: 3 }
const [library, name] = [process.argv[2]!, process.argv[5]!]
const [rounds, gets] = [Number(process.argv[3]), Number(process.argv[4])]
const { device, listLinks }: typeof import('../src/index.ts') = await import(library)
const veth = device(name, { netns })

async function eachRound(each: 'turn' | 'millisecond', work: () => Promise<unknown>): Promise<Held> {
  const first = await watchLoop(each, work)
  const delays: LoopDelay[] = []
  for (let round = 0; round < rounds; round++) delays.push(await watchLoop(each, work))
  return { first, rounds: delays }
}

const holds: Omit<Holds, 'links'> = {
  idle: await eachRound('turn', () => new Promise(resolve => setTimeout(resolve, 100))),
  get: await eachRound('turn', async () => {
    for (let i = 0; i < gets; i++) await veth.getLink()
  }),
  // Its longest hold is a collection of garbage, in which V8's threads help. A spinning loop would take their processor.
  dump: await eachRound('millisecond', () => listLinks({ netns })),
}
process.stdout.write(JSON.stringify(holds))
