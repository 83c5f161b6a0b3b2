import { type Device, NetlinkError } from '../../src/index.ts'
import { type Generator, type Sent, shares, together } from './generator.ts'
import { PktgenNetns } from './pktgen-netns.ts'
import {
  checkOptions,
  checkOrder,
  commandsFor,
  type PktgenOptions,
  type PktgenOrder,
} from './pktgen-order.ts'
import { type PktgenReport, parseReport, sentBy } from './pktgen-text.ts'

/**
 * Sends out of a device by the kernel's pktgen: kernel threads, one for each core, that hand frames to the driver
 * directly, past any queueing discipline. Of a veth what they send comes in at its peer as from a wire.
 */
export class Pktgen implements Generator {
  readonly name = 'pktgen'
  readonly #device: Device
  readonly #queues: readonly number[]
  readonly #options: PktgenOptions
  readonly #netns: PktgenNetns
  /** The device's file for each core, as it is set up now. */
  #files = new Map<number, string>()

  constructor(device: Device, queues: readonly number[], options: PktgenOptions, netns: PktgenNetns) {
    this.#device = device
    this.#queues = queues
    this.#options = options
    this.#netns = netns
  }

  /** @throws RangeError for an order that means nothing; Error where it did not send what it was told to. */
  async send(order: PktgenOrder): Promise<Sent> {
    checkOrder(order, this.#options)
    const { frames, cores, milliseconds } = order
    if (cores.join() !== [...this.#files.keys()].join()) await this.#setUp(cores)
    const counts = shares(frames, cores.length)
    let unshared = true
    for (const [at, file] of [...this.#files.values()].entries()) {
      const queue = this.#queues[at % this.#queues.length]!
      for (const command of commandsFor(order, this.#options, at, counts[at]!, queue))
        await this.#netns.write(file, command)
      unshared &&= await this.#unshare(file)
    }
    if (!unshared) await refuseWhereSharedFramesAreFatal(this.#device)
    await this.#netns.start(milliseconds)
    const reports = [...this.#files.values()].map(file => parseReport(this.#netns.read(file)))
    for (const [at, report] of reports.entries())
      if (!isDone(report, milliseconds === undefined ? counts[at]! : 0)) throw shortfall(counts[at]!, report)
    return together(reports.map(sentBy))
  }

  async close(): Promise<void> {
    await this.#netns.close()
  }

  async #setUp(cores: readonly number[]): Promise<void> {
    const { name } = await this.#device.getLink()
    await this.#netns.removeAll()
    this.#files.clear()
    const threads = this.#netns.threads().map(({ file }) => file)
    for (const core of cores) {
      const thread = `kpktgend_${core}`
      if (!threads.includes(thread)) throw new Error(`pktgen has no ${thread}: CPU ${core} is not online`)
      await this.#netns.add(thread, `${name}@${core}`)
      this.#files.set(core, `${name}@${core}`)
    }
  }

  /** Whether pktgen lets go of each frame when it is sent: it has a flag for that on Linux 6.12 and later, not on 6.1. */
  async #unshare(file: string): Promise<boolean> {
    const { clones = 0, burst = 1 } = this.#options
    return clones === 0 && burst === 1 && (await this.#netns.accepts(file, 'flag !SHARED'))
  }
}

/** pktgen for a device, which must be up. @throws NoPktgenError where the kernel has none. */
export async function openPktgen(device: Device, options: PktgenOptions = {}): Promise<Pktgen> {
  checkOptions(options)
  const there = await txQueues(device)
  const queues = options.queues ?? Array.from({ length: there }, (_, queue) => queue)
  const missing = queues.find(queue => queue >= there)
  // pktgen would take the last one (pktgen_setup_inject()).
  if (missing !== undefined)
    throw new RangeError(
      `${device} has the transmit queues 0 to ${there - 1}: pktgen cannot send by ${missing}`,
    )
  return new Pktgen(device, queues, options, await PktgenNetns.open(device.netns))
}

/** Those in use, or where a driver has no channels those that there are. */
async function txQueues(device: Device): Promise<number> {
  try {
    const { tx, combined } = await device.getChannels()
    return Math.max(1, tx + combined)
  } catch (error) {
    if (!(error instanceof NetlinkError && error.code === 'EOPNOTSUPP')) throw error
    return (await device.getLink()).numTxQueues
  }
}

/**
 * A frame that pktgen still holds must not be changed. A NIC only reads it; a veth hands it to its peer as it is, and there a
 * generic program makes room in it: BUG() in pskb_expand_head(), which ends the kernel (seen on 5.10 and 6.12). A native
 * program copies it (veth_convert_skb_to_xdp_buff()). @throws Error
 */
async function refuseWhereSharedFramesAreFatal(device: Device): Promise<void> {
  const { name, kind } = await device.getLink()
  if (kind === '') return
  if (kind === 'veth') {
    const { programs } = await (await device.getVethPeer()).getXdp()
    if (programs.every(({ mode }) => mode !== 'generic')) return
  }
  throw new Error(
    `pktgen must not send out of ${name}, a ${kind}: this kernel's pktgen shares its frames with whoever receives them, ` +
      'and a generic program there would bring the kernel down; take live frames or AF_PACKET',
  )
}

/** With several frames at once the last of them may be more than were left. */
function isDone(report: PktgenReport, count: number): boolean {
  return /^OK: \d+\(c\d+\+d\d+\) usec/.test(report.result) && sentBy(report).sent >= count
}

function shortfall(count: number, { sofar, errors, result }: PktgenReport): Error {
  return new Error(
    `pktgen was to send ${count} frames: it sent ${sofar}, with ${errors} errors, and says '${result}'`,
  )
}
