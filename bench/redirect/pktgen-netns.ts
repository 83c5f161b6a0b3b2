import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { createInterface, type Interface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Netns } from '../../src/index.ts'
import { netnsPath } from './netns-path.ts'
import { parseThread } from './pktgen-text.ts'

/**
 * pktgen is asked by files, of which each namespace has its own, and 'start' and 'stop' are for the namespace of the one
 * who writes. So a shell lives there. It does as it is told until its input ends, which also tells that whoever
 * started it was killed; then it ends what runs and takes every device off again. 'start' returns when all have
 * sent, so it is written aside; a 'stop' that overtakes it does nothing, so at the end there are as many as it takes.
 */
const KEEPER = `
cd /proc/self/net/pktgen 2>/dev/null || { modprobe pktgen && cd /proc/self/net/pktgen; } || exit 1
echo ready
while read -r word; do
  case $word in
  start) { echo start >pgctrl && echo ended || echo refused; } & starter=$! ;;
  stop) echo stop >pgctrl ;;
  esac
done
if [ "$starter" ]; then
  { while :; do echo stop >pgctrl; sleep 0.1; done; } & stopper=$!
  wait $starter
  kill $stopper
fi
for thread in $(grep -l @ kpktgend_*); do echo rem_device_all >"$thread" & done
wait
`

/** What clone_skb and burst get without IFF_TX_SKB_SHARING: ENOTSUPP, which is no errno for users, and in 7.3 EOPNOTSUPP. */
const NOT_SHARED = [-524, -95]

/** The kernel has no pktgen, nor a module of it. */
export class NoPktgenError extends Error {}

/** pktgen in one network namespace. */
export class PktgenNetns {
  readonly #keeper: ChildProcess
  readonly #lines: Interface
  readonly #exit: Promise<unknown[]>
  readonly #folder: string
  #closing = false

  private constructor(keeper: ChildProcess, lines: Interface, exit: Promise<unknown[]>) {
    this.#keeper = keeper
    this.#lines = lines
    this.#exit = exit
    this.#folder = `/proc/${keeper.pid}/net/pktgen`
  }

  /** Loads the module where it is not. @throws NoPktgenError; Error where somebody else uses it there. */
  static async open(netns: Netns): Promise<PktgenNetns> {
    // Of a process group of its own: an interrupt by the terminal is for this process to act on.
    const keeper = spawn('nsenter', [`--net=${netnsPath(netns)}`, 'sh', '-c', KEEPER], {
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    keeper.stdin.on('error', () => {}) // where it has ended: its exit tells why
    const complaint = text(keeper.stderr)
    const lines = createInterface(keeper.stdout)
    const exit = once(keeper, 'exit')
    const [first] = await Promise.race([once(lines, 'line'), exit])
    if (first !== 'ready') throw new NoPktgenError(await whyNone(complaint))
    const pktgen = new PktgenNetns(keeper, lines, exit)
    const busy = pktgen.threads().find(({ devices }) => devices.length > 0)
    if (busy === undefined) return pktgen
    keeper.kill('SIGKILL') // it must not take off what is not ours
    throw new Error(
      `somebody else's pktgen is set up in this namespace: ${busy.file} has ${busy.devices.join(' ')}; ` +
        `where it is a forgotten one, write rem_device_all to /proc/net/pktgen/${busy.file}`,
    )
  }

  /** One for each CPU that is online. */
  threads(): { file: string; devices: string[] }[] {
    return this.#threadFiles().map(file => {
      const { running, stopped } = parseThread(this.read(file))
      return { file, devices: [...running, ...stopped] }
    })
  }

  #isSending(): boolean {
    return this.#threadFiles().some(file => parseThread(this.read(file)).running.length > 0)
  }

  #threadFiles(): string[] {
    return readdirSync(this.#folder).filter(name => name.startsWith('kpktgend_'))
  }

  read(file: string): string {
    return readFileSync(`${this.#folder}/${file}`, 'utf8')
  }

  /** One command to a thread or a device. @throws Error that tells which one was refused, and why. */
  async write(file: string, command: string): Promise<void> {
    try {
      await writeFile(`${this.#folder}/${file}`, `${command}\n`, { flag: 'r+' })
    } catch (error) {
      const { errno, message } = error as NodeJS.ErrnoException
      const shared = NOT_SHARED.includes(errno!)
      const why = shared ? 'the driver wants each frame for itself, as that of a veth does' : message
      throw new Error(`pktgen refuses '${command}' for ${file}: ${why}`)
    }
    // Not all that pktgen refuses is an error to the one who writes it.
    const [, result = ''] = /^Result: (.*)/m.exec(this.read(file)) ?? []
    if (!result.startsWith('OK: ')) throw new Error(`pktgen refuses '${command}' for ${file}: ${result}`)
  }

  /** The same for what not every kernel knows: whether it does. */
  async accepts(file: string, command: string): Promise<boolean> {
    return await this.write(file, command).then(
      () => true,
      () => false,
    )
  }

  /** Puts a device onto a thread; the device's own file is called as it is. Several threads take eth0@0, eth0@1, …. */
  async add(thread: string, file: string): Promise<void> {
    await this.write(thread, `add_device ${file}`)
  }

  /** Takes all devices off. A thread does it when it comes to it: pktgen waits an eighth of a second, and no longer. */
  async removeAll(): Promise<void> {
    const busy = this.threads().filter(({ devices }) => devices.length > 0)
    await Promise.all(busy.map(({ file }) => this.write(file, 'rem_device_all')))
    for (let patience = 100; this.#devices().length > 0; patience--) {
      if (patience === 0) throw new Error(`pktgen does not let go of ${this.#devices().join(' ')}`)
      await sleep(20)
    }
  }

  #devices(): string[] {
    return this.threads().flatMap(({ devices }) => devices)
  }

  /** Lets all threads send: until they have sent what they were told to, or for so many milliseconds. */
  async start(milliseconds?: number): Promise<void> {
    let over = false
    const ended = Promise.race([once(this.#lines, 'line'), this.#exit]).finally(() => {
      over = true
    })
    this.#keeper.stdin!.write('start\n')
    if (milliseconds !== undefined) {
      while (!over && !this.#isSending()) await sleep(1)
      await Promise.race([ended, sleep(milliseconds)])
      if (!over) this.#keeper.stdin!.write('stop\n')
    }
    const [line] = await ended
    if (this.#closing) throw new Error('pktgen was closed while it sent')
    if (line !== 'ended')
      throw new Error(`pktgen does not start${line === 'refused' ? '' : ': its shell has ended'}`)
  }

  /** Ends what runs; afterwards nothing of it is in /proc/net/pktgen. */
  async close(): Promise<void> {
    this.#closing = true
    this.#keeper.stdin!.end()
    await this.#exit
  }
}

async function whyNone(complaint: Promise<string>): Promise<string> {
  return (
    `this kernel has no pktgen (CONFIG_NET_PKTGEN), as it is or as a module: ${(await complaint).trim()}; ` +
    'live frames and AF_PACKET do without'
  )
}
