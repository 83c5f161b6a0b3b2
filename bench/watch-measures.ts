/** How soon and how fast watchLinks() and `ip -o monitor link` tell what another process does. */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { LinkEvent } from '../src/index.ts'
import { listLinks } from '../src/sync.ts'
import { collectGarbage } from './collect.ts'
import { promises } from './published.ts'

export interface Settings {
  readonly rounds: number
  readonly links: number
  /** By which the rate is measured while they are made. */
  readonly changes: number
  /** By which it is when they wait, one number after the other: at most as many as ip has room for (net.core.rmem_max). */
  readonly queued: readonly number[]
  /** Changes by which the latency is measured. */
  readonly samples: number
}

/** Bytes: room for all changes of a round. */
const ROOM = 256 * 1024 * 1024
/** Milliseconds between two changes, for the latency. */
export const PAUSE = 4
const CHANGER = fileURLToPath(new URL('./change-links.ts', import.meta.url))

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
export async function measureLatency({ samples }: Settings, first: number): Promise<number[]> {
  const watch = promises.watchLinks()
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
export interface Rates {
  readonly live: number
  readonly queued: number
}

/** Makes all changes while this thread does nothing else. */
function changeAll(count: number, { links }: Settings, first: number): void {
  const words = [...process.execArgv, CHANGER, count, first, links, 0].map(String)
  const { status } = spawnSync(process.execPath, words, {
    input: 'go\n',
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  if (status !== 0) throw new Error(`the changes ended with status ${status}`)
}

export async function measureOurs(settings: Settings, first: number): Promise<Rates> {
  const { changes: count, links } = settings
  const watch = promises.watchLinks({ receiveBuffer: ROOM })
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
  const liveRate = new Rate().add(live.events, (await begun)[0]!, live.end).perSecond
  const waited = new Rate()
  for (const of of settings.queued) {
    collectGarbage()
    changeAll(of, settings, first)
    const letGo = process.hrtime.bigint()
    const { events, end } = await allTold(of)
    waited.add(events, letGo, end)
  }
  await watch.return?.()
  return { live: liveRate, queued: waited.perSecond }
}

export async function measureIp(settings: Settings, first: number, folder: string): Promise<Rates> {
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
  const waited = new Rate()
  for (const of of settings.queued) {
    ip.kill('SIGSTOP')
    changeAll(of, settings, first)
    const letGo = process.hrtime.bigint()
    ip.kill('SIGCONT')
    const { events, end } = await allWritten(of)
    waited.add(events, letGo, end)
  }
  ip.kill()
  await ended
  closeSync(output)
  return { live: new Rate().add(live.events, begun[0]!, live.end).perSecond, queued: waited.perSecond }
}

class Rate {
  #events = 0
  #nanoseconds = 0n

  add(events: number, begin: bigint, end: bigint): this {
    this.#events += events
    this.#nanoseconds += end - begin
    return this
  }

  get perSecond(): number {
    return this.#events / (Number(this.#nanoseconds) / 1e9)
  }
}
