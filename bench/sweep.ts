import { setTimeout as sleep } from 'node:timers/promises'
import { createNetns, createVethPair, type NetnsHandle } from '../src/sync.ts'
import { collectGarbage } from './collect.ts'
import { timed } from './contestant.ts'
import { progressOf } from './progress.ts'
import { sync } from './published.ts'
import { type Spread, spread } from './spread.ts'

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

/** Nanoseconds of one verdict among many. */
export interface ManyVerdicts {
  readonly namespaces: number
  readonly pairs: number
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
  await sleep(IDLE_MS)
  const devices = lab.names.map(name => sync.device(name, { netns: lab.host }))
  const explainAll = () => {
    for (const one of devices) one.explainRedirect()
  }
  explainAll() // from the second time on each is one crossing
  collectGarbage()
  const [oneByOne, sweep]: [number[], number[]] = [[], []]
  let pairs = 0
  for (let time = 0; time < times; time++) {
    oneByOne.push(timed(explainAll) / devices.length)
    const all = timed(() => {
      pairs = sync.listVethPairs({ netns: 'all' }).length
    })
    sweep.push(all / (2 * pairs))
  }
  removePairs(lab)
  return {
    namespaces: namespaces + 1,
    pairs: devices.length,
    oneByOne: spread(oneByOne),
    sweep: spread(sweep),
  }
}
