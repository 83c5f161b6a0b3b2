import { setTimeout as sleep } from 'node:timers/promises'
import { createNetns, createVethPair, type NetnsHandle } from '../src/sync.ts'
import { collectGarbage } from './collect.ts'
import { timed } from './contestant.ts'
import { progressOf } from './progress.ts'
import { sync } from './published.ts'
import { rawC } from './raw-c.ts'
import { type Spread, spread } from './spread.ts'
import type { Work } from './works.ts'

/** Idle sockets are closed within that. */
const IDLE_MS = 1000

/** Pairs between one namespace and each of many. */
export interface PairsLab {
  readonly host: NetnsHandle
  readonly containers: readonly NetnsHandle[]
  /** The ends in `host`. */
  readonly names: readonly string[]
}

export function makePairs(namespaces: number, pairsEach: number): PairsLab {
  const host = createNetns()
  const containers: NetnsHandle[] = []
  const names: string[] = []
  const progress = progressOf('namespaces made', namespaces)
  for (let at = 0; at < namespaces; at++) {
    const netns = createNetns()
    containers.push(netns)
    for (let pair = 0; pair < pairsEach; pair++) {
      names.push(`v${at}_${pair}`)
      createVethPair({ name: `v${at}_${pair}`, netns: host, peer: { name: `eth${pair}`, netns } })
    }
    progress(at + 1)
  }
  return { host, containers, names }
}

export function removePairs({ host, containers }: PairsLab): void {
  for (const netns of [host, ...containers]) netns.remove()
}

/** Nanoseconds of one among many. */
export interface ManyVerdicts {
  readonly namespaces: number
  readonly pairs: number
  /** One of the links by its name, in C, not decoded: as many as there are verdicts, each time before them. */
  readonly roundTrip: Spread
  /** The first verdict on each: sockets are opened, each asks step by step, and V8 has compiled nothing yet. */
  readonly first: number
  /** A verdict on each pair's end in `host`, one after the other. */
  readonly oneByOne: Spread
  /** listVethPairs({ netns: 'all' }), which gives one on either end. */
  readonly sweep: Spread
}

export async function manyVerdicts(
  namespaces: number,
  pairsEach: number,
  times: number,
): Promise<ManyVerdicts> {
  const lab = makePairs(namespaces, pairsEach)
  const [limit, roundTrips] = [rawC(), roundTripsIn(lab)]
  await sleep(IDLE_MS)
  const devices = lab.names.map(name => sync.device(name, { netns: lab.host }))
  const explainAll = () => {
    for (const one of devices) one.explainRedirect()
  }
  const first = timed(explainAll) / devices.length // from the second time on each is one crossing
  collectGarbage()
  const taken = { roundTrip: [] as number[], oneByOne: [] as number[], sweep: [] as number[] }
  let pairs = 0
  for (let time = 0; time < times; time++) {
    taken.roundTrip.push(await limit.turn(roundTrips))
    taken.oneByOne.push(timed(explainAll) / devices.length)
    const all = timed(() => {
      pairs = sync.listVethPairs({ netns: 'all' }).length
    })
    taken.sweep.push(all / (2 * pairs))
  }
  removePairs(lab)
  return {
    namespaces: namespaces + 1,
    pairs: devices.length,
    roundTrip: spread(taken.roundTrip),
    first,
    oneByOne: spread(taken.oneByOne),
    sweep: spread(taken.sweep),
  }
}

/** What raw C asks for beside the verdicts: a link among theirs, as often as there are verdicts. */
function roundTripsIn({ host, containers, names }: PairsLab): Work {
  const name = names[names.length >> 1]!
  const { index } = sync.device(name, { netns: host }).getLink()
  return {
    id: 'by-name',
    what: 'by-name',
    title: 'one link by name',
    scene: { netns: host, other: containers[0]!, links: names.length + 1, name, index, peer: 'eth0' },
    repeats: names.length,
    warmUp: 200,
  }
}
