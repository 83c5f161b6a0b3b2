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
import { machine } from './report.ts'
import { roundsLine } from './rounds-line.ts'
import { type Spread, spread } from './spread.ts'
import { measureIp, measureLatency, measureOurs, PAUSE, type Rates, type Settings } from './watch-measures.ts'

// The numbers that wait end in different MTUs: a link that is in the end as it was is no event where it is heard late.
const FULL: Settings = { rounds: 9, links: 500, changes: 50_000, queued: [2000, 1500, 2000], samples: 1000 }
const QUICK: Settings = { rounds: 1, links: 20, changes: 400, queued: [100, 80], samples: 20 }
/** Rounds that do not count: V8 is at work on what it has not seen often. */
const WARM_UPS = 2
const INSIDE = 'VETH_NL_BENCH_WATCH_INSIDE'

async function measure(settings: Settings) {
  const pairs = Array.from({ length: settings.links >> 1 }, (_, i) =>
    createVethPair({ name: `a${i}`, peer: `b${i}` }),
  )
  const first = Math.min(
    ...pairs.flat().map(({ name }) => listLinks().find(link => link.name === name)!.index),
  )
  const folder = mkdtempSync(join(tmpdir(), 'veth-nl-watch-'))
  const progress = progressOf('rounds', settings.rounds)
  const taken: { ours: Rates; ip: Rates }[] = []
  const warmUps = Math.min(WARM_UPS, settings.rounds - 1)
  try {
    const latency = await measureLatency(settings, first)
    for (let round = -warmUps; round < settings.rounds; round++) {
      // Either begins every other time: what one leaves behind is in the other's way.
      const before = round % 2 === 0 ? await measureIp(settings, first, folder) : null
      const ours = await measureOurs(settings, first)
      const ip = before ?? (await measureIp(settings, first, folder))
      if (round >= 0) taken.push({ ip, ours })
      progress(Math.max(0, round + 1))
    }
    const p99 = latency.toSorted((a, b) => a - b)[Math.floor(0.99 * latency.length)]!
    const rates = (kind: keyof Rates) => ({
      ip: spread(taken.map(({ ip }) => ip[kind])),
      ours: spread(taken.map(({ ours }) => ours[kind])),
      ratio: spread(taken.map(({ ip, ours }) => ip[kind] / ours[kind])),
    })
    return { latency: { ...spread(latency), p99 }, live: rates('live'), queued: rates('queued') }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function main(): Promise<void> {
  const { settings, quick, json } = roundsLine('bench:watch', FULL, QUICK)
  const taken = await measure(settings)
  const bounds = [
    bound('from the change to the event, median', 'ms', taken.latency.median, 1),
    bound('the rate of ip -o monitor link, by ours: as they are made', 'x', taken.live.ratio.median, 1),
    bound('the same: of those that wait', 'x', taken.queued.ratio.median, 1),
  ]
  if (json) {
    const report = {
      schema: 'veth-nl/bench-watch',
      version: 2,
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
    `${what.padEnd(54)} ${median.toFixed(0).padStart(8)}  ${min.toFixed(0)} – ${max.toFixed(0)}`
  return [
    `Linux ${kernel}, Node ${node}, ${cpus} × ${cpu}`,
    '',
    `from before a change in another process until its event is there, ${samples} times, ${PAUSE} ms apart: ms`,
    `median ${ms(latency.median)}, least ${ms(latency.min)}, 99 of 100 under ${ms(latency.p99)}, longest ${ms(latency.max)}`,
    '',
    `changes of ${links} links by another process, ${rounds} rounds: events a second, min – max`,
    rate(`${queued.join(', ')} that wait: ip -o monitor link > file`, taken.queued.ip),
    rate('watchLinks()', taken.queued.ours),
    rate(`${changes} as they are made: ip -o monitor link > file`, taken.live.ip),
    rate('watchLinks()', taken.live.ours),
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
