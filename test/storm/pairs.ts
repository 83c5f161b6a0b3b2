/**
 * A process of its own that makes and deletes veth pairs between namespaces, which it names, makes and removes too:
 * `pairs.ts SEED PAIRS NAMESPACES`. Some of each are left.
 */
import { createNetns, createVethPair, type Device, type NetnsHandle } from '../../src/sync.ts'
import { SystemError } from '../../src/wire/errors.ts'
import { Random } from '../walk/random.ts'

const [seed = 0, pairs = 0, namespaces = 0] = process.argv.slice(2).map(Number)
const random = new Random(seed)
let names = 0
const places: NetnsHandle[] = []
const ends: Device[] = []

function takeOut<T>(list: T[]): T {
  return list.splice(Math.floor(random.next() * list.length), 1)[0]!
}

function makePair(): void {
  const [netns, there] = [random.pick(places), random.pick(places)]
  const number = names++
  const [end] = createVethPair({ name: `a${number}`, netns, peer: { name: `b${number}`, netns: there } })
  ends.push(end)
}

/** It may have gone with a namespace. */
function deletePair(): void {
  try {
    takeOut(ends).delete()
  } catch (error) {
    if (!(error instanceof SystemError)) throw error
  }
}

for (let i = 0; i < namespaces; i++) places.push(createNetns(`n${names++}`))
for (let made = 0; made < pairs; made++) {
  makePair()
  if (random.chance(0.4)) deletePair()
  if (random.chance(namespaces / pairs)) {
    takeOut(places).remove()
    places.push(createNetns(`n${names++}`))
  }
}
while (ends.length > pairs / 10) deletePair()
