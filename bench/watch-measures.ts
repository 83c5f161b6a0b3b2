/** How soon and how fast watchLinks() and `ip -o monitor link` tell what another process does. */
import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { LinkEvent } from '../src/index.ts'
import { listLinks } from '../src/sync.ts'
import { promises } from './published.ts'

/** Bytes: room for all changes of a round. */
const ROOM = 256 * 1024 * 1024
/** Milliseconds between two changes, for the latency. */
export const PAUSE = 4
const CHANGER = fileURLToPath(new URL('./change-links.ts', import.meta.url))

/** Links of consecutive indexes. */
export interface Links {
  readonly first: number
  readonly count: number
}

/** Another process, which changes them. */
export class Changer {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string>

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child
    this.#lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  }

  static async start(links: Links): Promise<Changer> {
    const child = spawn(process.execPath, wordsFor(links))
    child.stderr.pipe(process.stderr)
    const changer = new Changer(child)
    await changer.#lines.next()
    return changer
  }

  /** When each began, in nanoseconds, as soon as all are made. */
  async make(changes: number, pause = 0): Promise<bigint[]> {
    this.#child.stdin.write(`${changes} ${pause}\n`)
    const line = await this.#lines.next()
    if (line.done) throw new Error('the process that changes links has ended')
    return line.value.split(' ').map(BigInt)
  }

  end(): void {
    this.#child.stdin.end()
  }
}

function wordsFor({ first, count }: Links): string[] {
  return [...process.execArgv, CHANGER, String(first), String(count)]
}

/** As change-links.ts has them. */
function mtuOf(change: number, { count }: Links): number {
  return 1000 + (Math.floor(change / count) % 400)
}

/** Makes all changes while this thread does nothing else. */
function makeMeanwhile(changes: number, links: Links): void {
  const { status } = spawnSync(process.execPath, wordsFor(links), {
    input: `${changes} 0\n`,
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  if (status !== 0) throw new Error(`the changes ended with status ${status}`)
}

/** How many events, or lines, there were, and when the last one came, in nanoseconds. */
interface Told {
  readonly events: number
  readonly end: bigint
}

/** Who is told. */
interface Listener {
  /** When all is told that comes of so many changes. `made`: when they are; who would be in its way by looking looks then. */
  told(changes: number, made?: Promise<unknown>): Promise<Told>
  /** Makes them, and lets it hear nothing until they are made. */
  deaf(make: () => void): void
  end(): Promise<void>
}

/** Ours. No garbage is collected by force: with it V8 throws away the code that it has made, and begins anew. */
export class Watching implements Listener {
  readonly #watch = promises.watchLinks({ receiveBuffer: ROOM })
  readonly #links: Links

  private constructor(links: Links) {
    this.#links = links
  }

  static async start(links: Links): Promise<Watching> {
    const watching = new Watching(links)
    for (let left = listLinks().length; left > 0; left--) await watching.next()
    return watching
  }

  async next(): Promise<LinkEvent> {
    return (await this.#watch.next()).value as LinkEvent
  }

  async told(changes: number): Promise<Told> {
    const last = mtuOf(changes - 1, this.#links)
    const waiting = new Set(Array.from({ length: this.#links.count }, (_, i) => this.#links.first + i))
    let events = 0
    while (waiting.size > 0) {
      const event = await this.next()
      if (event.type === 'resync') throw new Error(`${event.losses} losses: give it more room`)
      events++
      if (event.link.mtu === last) waiting.delete(event.link.index)
    }
    return { events, end: process.hrtime.bigint() }
  }

  deaf(make: () => void): void {
    make()
  }

  async end(): Promise<void> {
    await this.#watch.return?.()
  }
}

/** `ip -o monitor link` with its output in a file. */
export class IpMonitor implements Listener {
  readonly #ip: ChildProcess
  readonly #file: string
  readonly #output: number
  #had = 0

  private constructor(file: string) {
    this.#file = file
    this.#output = openSync(file, 'w')
    // It does not outlive this process.
    const words = ['--pdeathsig', 'KILL', 'ip', '-rcvbuf', String(ROOM), '-o', 'monitor', 'link']
    this.#ip = spawn('setpriv', words, { stdio: ['ignore', this.#output, 'inherit'] })
  }

  static async start(folder: string): Promise<IpMonitor> {
    const monitor = new IpMonitor(join(folder, 'ip'))
    await sleep(100)
    return monitor
  }

  /** The file has not grown for a while. What counts is when it grew last. */
  async told(changes: number, made?: Promise<unknown>): Promise<Told> {
    await made
    let [size, end] = [-1, 0n]
    for (let still = 0; still < 100; still++, await sleep(1)) {
      const now = statSync(this.#file).size
      if (now === size) continue
      ;[size, end, still] = [now, process.hrtime.bigint(), 0]
    }
    const lines = readFileSync(this.#file, 'latin1').split('\n').length - 1
    const events = lines - this.#had
    this.#had = lines
    if (events < changes) throw new Error(`ip monitor has ${events} lines of ${changes} changes`)
    return { events, end }
  }

  deaf(make: () => void): void {
    this.#ip.kill('SIGSTOP')
    make()
    this.#ip.kill('SIGCONT')
  }

  async end(): Promise<void> {
    const ended = once(this.#ip, 'exit')
    this.#ip.kill()
    await ended
    closeSync(this.#output)
  }
}

/** Milliseconds from before a change until its event is there, of so many changes. Two that became one event are none. */
export async function latency(changes: number, links: Links): Promise<number[]> {
  const one = { ...links, count: 1 }
  const [watching, changer] = [await Watching.start(links), await Changer.start(one)]
  const begun = changer.make(changes, PAUSE)
  const told: { mtu: number; at: bigint }[] = []
  while (told.at(-1)?.mtu !== mtuOf(changes - 1, one) || told.length < changes / 2) {
    const event = await watching.next()
    if (event.type === 'changed') told.push({ mtu: event.link.mtu, at: process.hrtime.bigint() })
  }
  await watching.end()
  const milliseconds: number[] = []
  for (const [i, time] of (await begun).entries()) {
    if (told[0]?.mtu === mtuOf(i, one)) milliseconds.push(Number(told.shift()!.at - time) / 1e6)
  }
  changer.end()
  return milliseconds
}

/** Events a second while changes are made, from the first one on. */
export async function liveRate(listener: Listener, changer: Changer, changes: number): Promise<number> {
  const made = changer.make(changes)
  const { events, end } = await listener.told(changes, made)
  await listener.end()
  return events / seconds((await made)[0]!, end)
}

/** Events a second of those that wait when the listener is let go on, one number after the other. */
export async function queuedRate(
  listener: Listener,
  links: Links,
  numbers: readonly number[],
): Promise<number> {
  let [events, time] = [0, 0]
  for (const changes of numbers) {
    listener.deaf(() => makeMeanwhile(changes, links))
    const letGo = process.hrtime.bigint()
    const told = await listener.told(changes)
    events += told.events
    time += seconds(letGo, told.end)
  }
  await listener.end()
  return events / time
}

function seconds(from: bigint, to: bigint): number {
  return Number(to - from) / 1e9
}
