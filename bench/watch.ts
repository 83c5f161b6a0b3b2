/**
 * How soon and how fast a watch tells what another process does: `npm run bench:watch -- [--rounds N] [--quick] [--json]`, as
 * root, with iproute2. It works in a network namespace of its own. Exit status 1 where a bound fails (not with --quick), 2 for
 * wrong usage.
 */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type LinkEvent, watchLinks } from '../src/index.ts'
import { createVethPair, listLinks } from '../src/sync.ts'
import { bound } from './bounds.ts'
import { progressOf } from './progress.ts'
import { machine } from './report.ts'
import { type Spread, spread } from './spread.ts'

/** queued: as many as ip has room for (net.core.rmem_max). */
const FULL = { rounds: 9, links: 500, changes: 20_000, queued: 2000, samples: 1000 }
const QUICK = { rounds: 1, links: 20, changes: 400, queued: 100, samples: 20 }
type Settings = typeof FULL

/** Bytes: room for all changes of a round. */
const ROOM = 256 * 1024 * 1024
/** Milliseconds between two changes, for the latency. */
const PAUSE = 4
const CHANGER = fileURLToPath(new URL('./change-links.ts', import.meta.url))
const INSIDE = 'VETH_NL_BENCH_WATCH_INSIDE'

/** Changes by another process, all begun at a known time. */
class Changes {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string>

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child
    this.#lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  }

  /** Ready to begin. */
  static async prepare(changes: number, first: number, links: number, pause: number): Promise<Changes> {
    const words = [CHANGER, changes, first, links, pause].map(String)
    const child = spawn(process.execPath, [...process.execArgv, ...words])
    child.stderr.pipe(process.stderr)
    const prepared = new Changes(child)
    await prepared.#lines.next()
    return prepared
  }

  begin(): void {
    this.#child.stdin.end('go\n')
  }

  /** When each began, in nanoseconds. */
  async begun(): Promise<bigint[]> {
    const times: bigint[] = []
    for (let line = await this.#lines.next(); !line.done; line = await this.#lines.next())
      times.push(BigInt(line.value))
    return times
  }
}

/** Milliseconds from before a change until its event is there, in another process. Two that became one event are none. */
async function measureLatency({ samples }: Settings, first: number): Promise<number[]> {
  const watch = watchLinks()
  const changes = await Changes.prepare(samples, first, 1, PAUSE)
  const told: { mtu: number; at: bigint }[] = []
  for (let left = listLinks().length; left > 0; left--) await watch.next()
  changes.begin()
  const begun = changes.begun()
  while (told.at(-1)?.mtu !== mtuOf(samples - 1, 1) || told.length < samples / 2) {
    const event = (await watch.next()).value as LinkEvent
    if (event.type === 'changed') told.push({ mtu: event.link.mtu, at: process.hrtime.bigint() })
  }
  await watch.return?.()
  const latency: number[] = []
  for (const [i, time] of (await begun).entries()) {
    if (told[0]?.mtu === mtuOf(i, 1)) latency.push(Number(told.shift()!.at - time) / 1e6)
  }
  return latency
}

/** As change-links.ts has them. */
function mtuOf(change: number, links: number): number {
  return 1000 + (Math.floor(change / links) % 400)
}

/** Events, or lines, per second: while the changes are made, or of those that wait when it is let go on. */
interface Rates {
  readonly live: number
  readonly queued: number
}

/** Makes all changes while this thread does nothing else. */
function changeAll({ queued, links }: Settings, first: number): void {
  const words = [...process.execArgv, CHANGER, queued, first, links, 0].map(String)
  const { status } = spawnSync(process.execPath, words, {
    input: 'go\n',
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  if (status !== 0) throw new Error(`the changes ended with status ${status}`)
}

async function measureOurs(settings: Settings, first: number): Promise<Rates> {
  const { changes: count, links } = settings
  const watch = watchLinks({ receiveBuffer: ROOM })
  const changes = await Changes.prepare(count, first, links, 0)
  for (let left = listLinks().length; left > 0; left--) await watch.next()
  const allTold = async (of: number) => {
    const last = mtuOf(of - 1, links)
    const waiting = new Set(Array.from({ length: links }, (_, i) => first + i))
    let events = 0
    while (waiting.size > 0) {
      const event = (await watch.next()).value as LinkEvent
      if (event.type === 'resync') throw new Error(`${event.losses} losses: give it more room`)
      events++
      if (event.link.mtu === last) waiting.delete(event.link.index)
    }
    return { events, end: process.hrtime.bigint() }
  }
  changes.begin()
  const begun = changes.begun()
  const live = await allTold(count)
  const liveRate = perSecond(live.events, (await begun)[0]!, live.end)
  changeAll(settings, first)
  const letGo = process.hrtime.bigint()
  const queued = await allTold(settings.queued)
  await watch.return?.()
  return { live: liveRate, queued: perSecond(queued.events, letGo, queued.end) }
}

async function measureIp(settings: Settings, first: number, folder: string): Promise<Rates> {
  const file = join(folder, 'ip')
  const output = openSync(file, 'w')
  // It does not outlive this process.
  const words = ['--pdeathsig', 'KILL', 'ip', '-rcvbuf', String(ROOM), '-o', 'monitor', 'link']
  const ip = spawn('setpriv', words, {
    stdio: ['ignore', output, 'inherit'],
  })
  const ended = once(ip, 'exit')
  const changes = await Changes.prepare(settings.changes, first, settings.links, 0)
  await sleep(100)
  let had = 0
  /** When all was written: the file has not grown for a while. What counts is when it grew last. */
  const allWritten = async (of: number) => {
    let [size, end] = [-1, 0n]
    for (let still = 0; still < 100; still++, await sleep(1)) {
      const now = statSync(file).size
      if (now === size) continue
      ;[size, end, still] = [now, process.hrtime.bigint(), 0]
    }
    const lines = readFileSync(file, 'latin1').split('\n').length - 1
    const events = lines - had
    had = lines
    if (events < of) throw new Error(`ip monitor has ${events} lines of ${of} changes`)
    return { events, end }
  }
  changes.begin()
  const begun = await changes.begun()
  const live = await allWritten(settings.changes)
  ip.kill('SIGSTOP')
  changeAll(settings, first)
  const letGo = process.hrtime.bigint()
  ip.kill('SIGCONT')
  const queued = await allWritten(settings.queued)
  ip.kill()
  await ended
  closeSync(output)
  return {
    live: perSecond(live.events, begun[0]!, live.end),
    queued: perSecond(queued.events, letGo, queued.end),
  }
}

function perSecond(events: number, begin: bigint, end: bigint): number {
  return events / (Number(end - begin) / 1e9)
}

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
  try {
    const latency = await measureLatency(settings, first)
    for (let round = 0; round < settings.rounds; round++) {
      const ip = await measureIp(settings, first, folder)
      taken.push({ ip, ours: await measureOurs(settings, first) })
      progress(round + 1)
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

function commandLine() {
  try {
    const { values } = parseArgs({
      options: {
        rounds: { type: 'string' },
        quick: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    })
    const basis = values.quick ? QUICK : FULL
    if (values.rounds !== undefined && !/^[1-9]\d{0,3}$/.test(values.rounds)) {
      throw new TypeError(`--rounds takes a number, not '${values.rounds}'`)
    }
    return { ...values, settings: { ...basis, rounds: Number(values.rounds ?? basis.rounds) } }
  } catch (error) {
    process.stderr.write(`bench:watch: ${(error as Error).message}\n`)
    process.exit(2)
  }
}

async function main(): Promise<void> {
  const { settings, quick, json } = commandLine()
  const taken = await measure(settings)
  const bounds = [
    bound('from the change to the event, median', 'ms', taken.latency.median, 1),
    bound('the rate of ip -o monitor link, by ours', 'x', taken.queued.ratio.median, 1),
  ]
  if (json) {
    const report = {
      schema: 'veth-nl/bench-watch',
      version: 1,
      machine: machine(),
      ...settings,
      ...taken,
      bounds,
    }
    process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
  } else {
    process.stdout.write(text(settings, taken))
  }
  if (!quick && bounds.some(({ pass }) => !pass)) process.exitCode = 1
}

function text(
  { links, changes, queued, rounds, samples }: Settings,
  taken: Awaited<ReturnType<typeof measure>>,
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
    rate(`${queued} that wait: ip -o monitor link > file`, taken.queued.ip),
    rate('watchLinks()', taken.queued.ours),
    rate(`${changes} as they are made: ip -o monitor link > file`, taken.live.ip),
    rate('watchLinks()', taken.live.ours),
    `ip by ours, of neighbours: ${ms(taken.queued.ratio.median)} waiting, ${ms(taken.live.ratio.median)} live`,
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
