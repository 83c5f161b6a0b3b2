/**
 * How soon and how fast a watch tells what another process does: `npm run bench:watch -- [--rounds N] [--quick] [--json]`, as
 * root, with iproute2. It works in a network namespace of its own. Exit status 1 where a bound fails (not with --quick), 2 for
 * wrong usage.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createVethPair, listLinks } from '../src/sync.ts'
import { type Bound, bound } from './bounds.ts'
import { progressOf } from './progress.ts'
import { ranksOutside } from './redirect/estimate.ts'
import { machine } from './report.ts'
import { roundsLine } from './rounds-line.ts'
import { type Spread, spread } from './spread.ts'
import {
  Changer,
  IpMonitor,
  type Links,
  latency,
  liveRate,
  PAUSE,
  queuedRate,
  Watching,
} from './watch-measures.ts'

interface Settings {
  /** Of changes as they are made; of those that wait there are a quarter as many. */
  readonly rounds: number
  readonly links: number
  /** By which the rate is measured while they are made. */
  readonly changes: number
  /**
   * By which it is when they wait, one number after the other: at most as many as ip has room for (net.core.rmem_max). They end
   * in different MTUs: a link that is in the end as it was is no event where it is heard late.
   */
  readonly queued: readonly number[]
  /** Changes by which the latency is measured. */
  readonly samples: number
}

const FULL: Settings = {
  rounds: 40,
  links: 500,
  changes: 10_000,
  queued: [2000, 1500, 2000, 1500],
  samples: 1000,
}
const QUICK: Settings = { rounds: 1, links: 20, changes: 400, queued: [100, 80], samples: 20 }
/** One in so many rounds more, before those that count: V8 is at work then on what it has not seen often. */
const WARM_UP = 5
const INSIDE = 'VETH_NL_BENCH_WATCH_INSIDE'

/** Of each round, events a second. */
interface Rates {
  readonly ip: number[]
  readonly ours: number[]
}

/** Either begins every other time: what one leaves behind is in the other's way. */
async function measureRates(
  rounds: number,
  ip: () => Promise<number>,
  ours: () => Promise<number>,
  done: () => void,
): Promise<Rates> {
  const rates: Rates = { ip: [], ours: [] }
  for (let round = -Math.floor(rounds / WARM_UP); round < rounds; round++) {
    const before = round % 2 === 0 ? await ip() : null
    const our = await ours()
    const its = before ?? (await ip())
    if (round < 0) continue
    rates.ip.push(its)
    rates.ours.push(our)
    done()
  }
  return rates
}

function summary({ ip, ours }: Rates) {
  const ratios = ip.map((rate, round) => rate / ours[round]!)
  const sorted = ratios.toSorted((a, b) => a - b)
  const outside = ranksOutside(ratios.length)
  // The true median is between these two, for all that the rounds tell.
  const ratio = { ...spread(ratios), low: sorted[outside]!, high: sorted.at(-1 - outside)! }
  return { ip: spread(ip), ours: spread(ours), ratio }
}

async function measure({ rounds, links: count, changes, queued, samples }: Settings) {
  const pairs = Array.from({ length: count >> 1 }, (_, i) => createVethPair({ name: `a${i}`, peer: `b${i}` }))
  const names = new Set(pairs.flat().map(({ name }) => name))
  const first = Math.min(
    ...listLinks()
      .filter(({ name }) => names.has(name))
      .map(({ index }) => index),
  )
  const links: Links = { first, count }
  const folder = mkdtempSync(join(tmpdir(), 'veth-nl-watch-'))
  const quarter = Math.ceil(rounds / 4)
  const progress = progressOf('rounds', rounds + quarter)
  let done = 0
  const tell = () => progress(++done)
  const changer = await Changer.start(links)
  try {
    const milliseconds = await latency(samples, links)
    const live = await measureRates(
      rounds,
      async () => liveRate(await IpMonitor.start(folder), changer, changes),
      async () => liveRate(await Watching.start(links), changer, changes),
      tell,
    )
    const waiting = await measureRates(
      quarter,
      async () => queuedRate(await IpMonitor.start(folder), links, queued),
      async () => queuedRate(await Watching.start(links), links, queued),
      tell,
    )
    const p99 = milliseconds.toSorted((a, b) => a - b)[Math.floor(0.99 * milliseconds.length)]!
    return { latency: { ...spread(milliseconds), p99 }, live: summary(live), queued: summary(waiting) }
  } finally {
    changer.end()
    rmSync(folder, { recursive: true })
  }
}

async function main(): Promise<void> {
  const { settings, quick, json } = roundsLine('bench:watch', FULL, QUICK)
  const taken = await measure(settings)
  const bounds = [
    bound('from the change to the event, median', 'ms', taken.latency.median, 1),
    bound('the rate of ip -o monitor link, by ours: of those that wait', 'x', taken.queued.ratio.median, 1),
    bound('the same: as they are made', 'x', taken.live.ratio.median, 1),
  ]
  if (json) {
    const report = {
      schema: 'veth-nl/bench-watch',
      version: 3,
      machine: machine(),
      ...settings,
      ...taken,
      bounds,
    }
    process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
  } else {
    process.stdout.write(text(settings, taken, bounds))
  }
  if (!quick && bounds.some(({ pass }) => !pass)) process.exitCode = 1
}

function text(
  { links, changes, queued, rounds, samples }: Settings,
  taken: Awaited<ReturnType<typeof measure>>,
  bounds: readonly Bound[],
): string {
  const { kernel, node, cpu, cpus } = machine()
  const { latency } = taken
  const ms = (value: number) => value.toFixed(2)
  const rate = (what: string, { median, min, max }: Spread) =>
    `${what.padEnd(60)} ${median.toFixed(0).padStart(8)}  ${min.toFixed(0)} – ${max.toFixed(0)}`
  const ratio = ({ ratio: { median, low, high } }: ReturnType<typeof summary>) =>
    `${'ip by ours: the median of the rounds, and where it can be'.padEnd(60)} ${ms(median).padStart(8)}  ${ms(low)} – ${ms(high)}`
  return [
    `Linux ${kernel}, Node ${node}, ${cpus} × ${cpu}`,
    '',
    `from before a change in another process until its event is there, ${samples} times, ${PAUSE} ms apart: ms`,
    `median ${ms(latency.median)}, least ${ms(latency.min)}, 99 of 100 under ${ms(latency.p99)}, longest ${ms(latency.max)}`,
    '',
    `changes of ${links} links by another process, ${rounds} rounds, and a quarter as many of those that wait: events a second`,
    rate(`${queued.join(', ')} that wait: ip -o monitor link > file`, taken.queued.ip),
    rate('watchLinks()', taken.queued.ours),
    ratio(taken.queued),
    rate(`${changes} as they are made: ip -o monitor link > file`, taken.live.ip),
    rate('watchLinks()', taken.live.ours),
    ratio(taken.live),
    '',
    ...bounds.map(
      ({ what, value, unit, most, pass }) =>
        `${what.padEnd(66)} ${ms(value)} ${unit}  at most ${most} ${unit}  ${pass ? 'pass' : 'FAIL'}`,
    ),
    '',
  ].join('\n')
}

if (process.env[INSIDE] === '1') {
  await main()
} else {
  const node = [process.execPath, ...process.execArgv, ...process.argv.slice(1)]
  const words = ['--pdeathsig', 'KILL', 'unshare', '--net', ...node]
  const env = { ...process.env, [INSIDE]: '1' }
  process.exitCode = spawnSync('setpriv', words, { stdio: 'inherit', env }).status ?? 1
}
