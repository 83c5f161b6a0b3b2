import type { Order } from './generator.ts'

export interface PktgenOptions {
  /** How many UDP flows each core sends, by source port: a NIC spreads flows over its queues. One when left out. */
  readonly flows?: number
  /** Nanoseconds from one frame to the next; none when left out. */
  readonly delay?: number
  /** The device's transmit queue for each core; all queues by turns when left out. */
  readonly queues?: readonly number[]
  /** How often a frame is sent before the next one is made, and how many are handed to the driver at once. A veth refuses both. */
  readonly clones?: number
  readonly burst?: number
}

export interface PktgenOrder extends Order {
  /** It is stopped then, whatever was sent; with 0 frames it sends until then. */
  readonly milliseconds?: number
}

/** Of addresses for benchmarks (RFC 2544): no stack that forwards them can do harm. */
const [SOURCE, TARGET] = ['198.18.0.1', '198.19.0.1']
const DISCARD_PORT = 9
/** Of the ports that nobody has (RFC 6335). */
const FIRST_PORT = 49152
/** Ethernet, IPv4 and UDP headers, and pktgen's own. */
const SMALLEST = 14 + 20 + 8 + 16

/** pktgen reads ten digits of a number, and takes no notice of more. */
const MOST = 9_999_999_999

/** What a device is told, on the thread of the core that is the order's at `at`; its share are `count` frames. */
export function commandsFor(
  { size, destination }: Order,
  { flows = 1, delay = 0, clones = 0, burst = 1 }: PktgenOptions,
  at: number,
  count: number,
  queue: number,
): string[] {
  return [
    `count ${count}`,
    `pkt_size ${size}`,
    `delay ${delay}`,
    `dst_mac ${Array.from(destination, byte => byte.toString(16).padStart(2, '0')).join(':')}`,
    ...[`src_min ${SOURCE}`, `src_max ${SOURCE}`, `dst ${TARGET}`],
    ...[`udp_dst_min ${DISCARD_PORT}`, `udp_dst_max ${DISCARD_PORT}`],
    ...[`udp_src_min ${FIRST_PORT + at * flows}`, `udp_src_max ${FIRST_PORT + (at + 1) * flows}`],
    ...[`queue_map_min ${queue}`, `queue_map_max ${queue}`],
    'flag NO_TIMESTAMP',
    ...(clones > 0 ? [`clone_skb ${clones}`] : []),
    ...(burst > 1 ? [`burst ${burst}`] : []),
  ]
}

/** pktgen makes something else of some of these, without a word. @throws RangeError */
export function checkOrder(
  { frames, size, cores, destination, milliseconds }: PktgenOrder,
  options: PktgenOptions = {},
): void {
  const whole = (value: number, least: number) => Number.isSafeInteger(value) && value >= least
  if (!whole(frames, milliseconds === undefined ? 1 : 0))
    throw new RangeError(`pktgen sends a whole number of frames, not ${frames}; 0 only for a time`)
  if (frames > MOST) throw new RangeError(`pktgen sends up to ${MOST} frames, not ${frames}`)
  if (frames > 0 && frames < cores.length)
    throw new RangeError(`${frames} frames cannot be shared among ${cores.length} CPUs`)
  if (!whole(size, SMALLEST))
    throw new RangeError(`pktgen's frames have ${SMALLEST} bytes or more, not ${size}`)
  if (cores.length === 0 || new Set(cores).size !== cores.length || !cores.every(core => whole(core, 0)))
    throw new RangeError(`pktgen sends on CPUs by their numbers, each once, not [${cores.join(', ')}]`)
  if (destination.length !== 6)
    throw new RangeError(`an Ethernet address has 6 bytes, not ${destination.length}`)
  checkFlows(options, cores.length)
}

/** udp_src_max is a __u16, and the first port that is not used. Source: struct pktgen_dev. */
const MOST_FLOWS = 65_535 - FIRST_PORT

/** Each core's flows have ports of their own, which pktgen would let begin again at 0. @throws RangeError */
export function checkFlows({ flows = 1 }: PktgenOptions, cores: number): void {
  if (flows * cores <= MOST_FLOWS) return
  const most = Math.floor(MOST_FLOWS / cores)
  throw new RangeError(
    `pktgen has source ports for ${most} flows from each of ${cores} CPUs, not for ${flows}`,
  )
}

/** @throws RangeError */
export function checkOptions({ flows = 1, delay, queues, clones, burst }: PktgenOptions): void {
  for (const [name, value, least] of [
    ['flows', flows, 1],
    ['delay', delay, 0],
    ['clones', clones, 0],
    ['burst', burst, 1],
    ...(queues ?? []).map(queue => ['queue', queue, 0] as const),
  ] as const)
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= least && value <= MOST))
      throw new RangeError(`pktgen's ${name} is a whole number from ${least} on, not ${value}`)
  if (queues?.length === 0) throw new RangeError('pktgen sends by one queue at least')
  checkFlows({ flows }, 1)
}

/** Of a command line: 'flows=64 delay=1000 queues=0,1'. @throws TypeError, RangeError */
export function parsePktgenOptions(text: string): PktgenOptions {
  const options: { -readonly [name in keyof PktgenOptions]?: PktgenOptions[name] } = {}
  for (const word of text.split(/\s+/).filter(word => word !== '')) {
    const [, name, value] = /^(\w+)=(\d+(?:,\d+)*)$/.exec(word) ?? []
    const numbers = value?.split(',').map(Number) ?? []
    if (name === 'queues') options.queues = numbers
    else if (isSingle(name) && numbers.length === 1) options[name] = numbers[0]!
    else
      throw new TypeError(
        `pktgen takes ${SINGLE.map(name => `${name}=N`).join(' ')} queues=N,N, not '${word}'`,
      )
  }
  checkOptions(options)
  return options
}

const SINGLE = ['flows', 'delay', 'clones', 'burst'] as const

function isSingle(name: string | undefined): name is (typeof SINGLE)[number] {
  return SINGLE.some(single => single === name)
}
