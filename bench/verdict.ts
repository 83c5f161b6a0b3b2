/**
 * What a verdict costs, and a sweep over many pairs: `npm run bench:verdict -- [--rounds N] [--quick] [--json]`, as
 * root. Exit status 1 where a bound fails (not with --quick), 2 for wrong usage.
 */
import { readdirSync, readlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { bound } from './bounds.ts'
import { timed, timedAsync } from './contestant.ts'
import { progressOf } from './progress.ts'
import { promises, sync } from './published.ts'
import { rawC } from './raw-c.ts'
import { machine } from './report.ts'
import { roundsLine } from './rounds-line.ts'
import { acrossNetns } from './scene.ts'
import { type Spread, spread } from './spread.ts'
import { makePairs, removePairs } from './sweep.ts'
import type { Work } from './works.ts'

interface Settings {
  readonly rounds: number
  readonly verdicts: number
  readonly namespaces: number
  readonly pairsEach: number
  readonly sweeps: number
}

const FULL: Settings = { rounds: 15, verdicts: 2000, namespaces: 250, pairsEach: 4, sweeps: 5 }
const QUICK: Settings = { rounds: 2, verdicts: 100, namespaces: 5, pairsEach: 4, sweeps: 1 }
/** Idle sockets are closed within that. */
const IDLE_MS = 1000
/** The verdict's bound, in round trips for one link. */
const MOST = 8

/** Nanoseconds: one link's round trip in C, not decoded, and a verdict in either form, in turn. */
async function measureVerdict({ rounds, verdicts }: Settings) {
  const scene = acrossNetns('veth0', true)
  const veth = sync.device('veth0', { netns: scene.netns })
  const later = promises.device('veth0', { netns: scene.netns })
  const limit = rawC()
  const roundTrips: Work = {
    id: 'by-name',
    what: 'by-name',
    title: 'one link by name',
    scene,
    repeats: verdicts,
    warmUp: 200,
  }
  const progress = progressOf('rounds', rounds)
  const taken = { roundTrip: [] as number[], sync: [] as number[], promises: [] as number[] }
  for (let round = -2; round < rounds; round++) {
    const roundTrip = await limit.turn(roundTrips)
    const sync = timed(() => {
      for (let i = 0; i < verdicts; i++) veth.explainRedirect()
    })
    const async = await timedAsync(async () => {
      for (let i = 0; i < verdicts; i++) await later.explainRedirect()
    })
    if (round < 0) continue
    taken.roundTrip.push(roundTrip)
    taken.sync.push(sync / verdicts)
    taken.promises.push(async / verdicts)
    progress(round + 1)
  }
  scene.netns.remove()
  scene.other.remove()
  return { roundTrip: spread(taken.roundTrip), sync: spread(taken.sync), promises: spread(taken.promises) }
}

/** Milliseconds for all pairs between one namespace and each of many, with both ends' verdicts; and what is left. */
async function measureSweep({ namespaces, pairsEach, sweeps }: Settings) {
  const lab = makePairs(namespaces, pairsEach)
  sync.listVethPairs({ netns: 'all' }) // the thread that reads ahead is there from then on, with two descriptors
  await sleep(IDLE_MS)
  const [descriptors, inside] = [openDescriptors(), readlinkSync('/proc/thread-self/ns/net')]
  const taken: number[] = []
  let pairs = 0
  for (let sweep = 0; sweep < sweeps; sweep++) {
    taken.push(timed(() => (pairs = sync.listVethPairs({ netns: 'all' }).length)) / 1e6)
  }
  await sleep(IDLE_MS)
  const left = {
    descriptors: openDescriptors() - descriptors,
    entered: readlinkSync('/proc/thread-self/ns/net') !== inside,
  }
  const one = sync.device('eth0', { netns: lab.containers[0]! }).explainRedirect()
  if (one.delivers !== false) throw new Error(`a fresh pair delivers? ${one.summary}`)
  removePairs(lab)
  return { pairs, namespaces: namespaces + 1, milliseconds: spread(taken), left }
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length
}

function line(what: string, { median, min, max }: Spread, unit: number, ratio = ''): string {
  const [a, b, c] = [median, min, max].map(value => (value / unit).toFixed(2))
  return `${what.padEnd(36)} ${a!.padStart(8)}  ${`${b} – ${c}`.padStart(18)}  ${ratio}`
}

const { settings, quick, json } = roundsLine('bench:verdict', FULL, QUICK)
const verdict = await measureVerdict(settings)
const sweep = await measureSweep(settings)
const ratio = verdict.sync.median / verdict.roundTrip.median
const bounds = [
  bound('a verdict, sync, in round trips', 'x', ratio, MOST),
  bound('descriptors left by the sweeps', 'x', sweep.left.descriptors, 0),
]
if (json) {
  const report = { schema: 'veth-nl/bench-verdict', version: 1, machine: machine(), verdict, sweep, bounds }
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
} else {
  const { kernel, node, cpu, cpus } = machine()
  const times = (taken: Spread) => `${(taken.median / verdict.roundTrip.median).toFixed(2)} x`
  process.stdout.write(
    [
      `Linux ${kernel}, Node ${node}, ${cpus} × ${cpu}`,
      '',
      `one pair across two namespaces, ${settings.rounds} × ${settings.verdicts}: median µs, min – max, ratio`,
      line('one link by name, raw C', verdict.roundTrip, 1e3, '1.00 x'),
      line('a verdict, veth-nl/sync', verdict.sync, 1e3, `${times(verdict.sync)}, at most ${MOST} x`),
      line('a verdict, veth-nl, promises', verdict.promises, 1e3, times(verdict.promises)),
      '',
      `${sweep.pairs} pairs in ${sweep.namespaces} namespaces, ${2 * sweep.pairs} verdicts: median ms, min – max`,
      line("listVethPairs({ netns: 'all' })", sweep.milliseconds, 1),
      `left: ${sweep.left.descriptors} descriptors, ${sweep.left.entered ? 'IN ANOTHER NAMESPACE' : 'no namespace entered'}`,
      '',
    ].join('\n'),
  )
}
if (sweep.left.entered || (!quick && bounds.some(({ pass }) => !pass))) process.exitCode = 1
