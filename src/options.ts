import type { TraceForm } from './bpf/trace.ts'
import type { Limits } from './kernel/kernel.ts'
import type { AddrGenMode } from './rtnetlink/link-change.ts'
import { checkLinkFields, type LinkField } from './rtnetlink/link-fields.ts'
import type { NewVethEnd } from './veth/pairs.ts'
import type { TraceAsked } from './veth/trace-redirects.ts'
import { checkExplainOptions, type ExplainOptions } from './veth/way.ts'
import { checkChoice, checkOptions, quote } from './wire/check-options.ts'
import { type Netns, type NetnsRef, namedNetns, netnsFrom } from './wire/netns.ts'

/** Where to ask, and how long to wait. */
export interface Options {
  /** A name, an absolute path, { pid }, { fd } or a handle; the namespace that this program runs in when left out. */
  readonly netns?: NetnsRef | Netns | undefined
  /** Milliseconds to wait for an answer, 30,000 when left out; then a TimeoutError. */
  readonly timeout?: number | undefined
}

export interface AsyncOptions extends Options {
  /** Gives up waiting when aborted. A change that has been sent is awaited all the same. */
  readonly signal?: AbortSignal | undefined
}

/** One end of a new veth pair. */
export interface VethEndOptions {
  /** At most 15 bytes. */
  readonly name: string
  readonly netns?: NetnsRef | Netns | undefined
  /** Up from the start; down when left out. */
  readonly up?: boolean
  /** Bytes, without the link-layer header. */
  readonly mtu?: number
  /** 'aa:bb:cc:dd:ee:ff'; a random one when left out. */
  readonly address?: string
  /** The receive and transmit queues to allocate; the kernel's choice when left out. */
  readonly rxQueues?: number
  readonly txQueues?: number
  /** How IPv6 makes a link-local address; with 'none' the kernel sends nothing of its own there. */
  readonly addrGenMode?: AddrGenMode
}

export interface VethPairOptions extends VethEndOptions {
  /** The other end; a string is its name, its namespace then the same. */
  readonly peer: string | VethEndOptions
}

export interface LinksOptions<F extends LinkField> {
  /** Only these, which is faster; all when left out. */
  readonly fields?: readonly F[] | undefined
}

export interface PairsOptions {
  /** One namespace, or 'all' that can be found; one that is named so is meant by its path. */
  readonly netns?: Options['netns'] | 'all'
  /** Whether to say what redirects into the ends would come to; when left out, with netns 'all' only. */
  readonly verdicts?: boolean
}

export interface WatchOptions extends Omit<Options, 'netns'> {
  /** One namespace, several, or 'all' that can be found; one that is named so is meant by its path. */
  readonly netns?: Options['netns'] | readonly (NetnsRef | Netns)[] | 'all'
  /** Ends it when aborted: next() then throws the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /**
   * Bytes that the kernel may queue while this program is busy, 8 MiB when left out. It counts some 4 KB for a message,
   * and without CAP_NET_ADMIN gives no more than net.core.rmem_max.
   */
  readonly receiveBuffer?: number | undefined
}

/** As WatchOptions has them, and what a frame is to be like. */
export interface WatchVerdictOptions extends Omit<WatchOptions, 'netns'>, ExplainOptions {}

export interface TraceOptions {
  /** Only redirects with this namespace at either end; 'all' when left out. */
  readonly netns?: Options['netns'] | 'all'
  /** Counts the frames that were delivered, too. */
  readonly delivered?: boolean
  /** Milliseconds from one report to the next; 1000 when left out. */
  readonly intervalMs?: number
  /** How the kernel tells. When left out: raw tracepoints, and perf events where it has no BTF or refuses those. */
  readonly by?: TraceForm
}

const WHERE_AND_HOW_LONG = ['netns', 'timeout', 'signal']
const END = ['name', 'netns', 'up', 'mtu', 'address', 'rxQueues', 'txQueues', 'addrGenMode']

/** @throws TypeError for what no function of ours could mean. */
export function limitsOf(what: string, options: AsyncOptions, more: readonly string[] = []): Limits {
  checkOptions(what, options, [...WHERE_AND_HOW_LONG, ...more])
  const { timeout, signal } = options
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError(`signal must be an AbortSignal, not ${quote(signal)}`)
  }
  if (timeout !== undefined && !(typeof timeout === 'number' && timeout > 0 && timeout <= 0x7fffffff)) {
    throw new RangeError(`timeout must be a number of milliseconds, not ${quote(timeout)}`)
  }
  return { timeout, signal }
}

/** What listVethPairs() was asked for, as the operation wants it. */
export function pairsAsked(options: PairsOptions & Omit<AsyncOptions, 'netns'>): {
  netns: Netns | 'all'
  verdicts: boolean
  limits: Limits
} {
  const limits = limitsOf('listVethPairs()', options, ['verdicts'])
  const all = options.netns === 'all'
  const { verdicts = all } = options
  if (typeof verdicts !== 'boolean')
    throw new TypeError(`verdicts must be true or false, not ${quote(verdicts)}`)
  return { netns: options.netns === 'all' ? 'all' : netnsFrom(options.netns), verdicts, limits }
}

/** What listLinks() and forEachLink() were asked for. */
export function linksAsked<F extends LinkField>(
  what: string,
  options: LinksOptions<F> & AsyncOptions,
): { netns: Netns; fields: readonly F[] | null; limits: Limits } {
  const limits = limitsOf(what, options, ['fields'])
  const { fields = null } = options
  if (fields !== null) checkLinkFields(fields)
  return { netns: netnsFrom(options.netns), fields, limits }
}

/** What a watch was asked for. */
export function watchAsked(
  what: string,
  { netns, ...options }: WatchOptions,
): { wanted: readonly Netns[] | 'all'; receiveBuffer: number | undefined; limits: Limits } {
  const limits = limitsOf(what, options, ['receiveBuffer'])
  const { receiveBuffer } = options
  const isSize = Number.isInteger(receiveBuffer) && receiveBuffer! > 0 && receiveBuffer! <= LARGEST_BUFFER
  if (receiveBuffer !== undefined && !isSize)
    throw new RangeError(`receiveBuffer must be 1 to ${LARGEST_BUFFER} bytes, not ${quote(receiveBuffer)}`)
  return { wanted: netns === 'all' ? 'all' : severalNetns(netns), receiveBuffer, limits }
}
/** The kernel doubles it, and counts by an int. */
const LARGEST_BUFFER = 0x3fffffff

/** What watchVerdict() was asked for. */
export function watchVerdictAsked(options: WatchVerdictOptions): {
  explain: ExplainOptions
  receiveBuffer: number | undefined
  limits: Limits
} {
  checkExplainOptions('watchVerdict()', options, ['signal', 'timeout', 'receiveBuffer'])
  const { signal, timeout, receiveBuffer, ...explain } = options
  const { limits } = watchAsked('watchVerdict()', { signal, timeout, receiveBuffer })
  return { explain, receiveBuffer, limits }
}

function severalNetns(netns: Exclude<WatchOptions['netns'], 'all'>): Netns[] {
  if (!Array.isArray(netns)) return [netnsFrom(netns as Options['netns'])]
  if (netns.length === 0) throw new TypeError('netns is an empty list: there is nothing to watch')
  return netns.map(namedNetns)
}

/** @throws TypeError */
export function checkVisit(visit: unknown): void {
  if (typeof visit !== 'function')
    throw new TypeError(`forEachLink() calls a function with each link, not ${quote(visit)}`)
}

/** What traceRedirects() was asked for, as the operation wants it; and how often to read, in milliseconds. */
export function traceAsked(options: TraceOptions & Omit<AsyncOptions, 'netns'>): {
  asked: TraceAsked
  intervalMs: number
  limits: Limits
} {
  const limits = limitsOf('traceRedirects()', options, ['delivered', 'intervalMs', 'by'])
  const { netns, delivered = false, intervalMs = 1000, by = null } = options
  if (typeof delivered !== 'boolean')
    throw new TypeError(`delivered must be true or false, not ${quote(delivered)}`)
  if (!(typeof intervalMs === 'number' && intervalMs >= 1 && intervalMs <= LONGEST_INTERVAL)) {
    throw new RangeError(
      `intervalMs must be a number of milliseconds from 1 to ${LONGEST_INTERVAL}, not ${quote(intervalMs)}`,
    )
  }
  if (by !== null) checkChoice('by', by, TRACE_FORMS)
  if (by === 'perf events' && netns !== undefined && netns !== 'all') {
    throw new TypeError("by 'perf events' no namespace is told: netns can only be 'all'")
  }
  const one = netns === undefined || netns === 'all' ? null : netnsFrom(netns)
  return { asked: { netns: one, delivered, by }, intervalMs, limits }
}
const TRACE_FORMS: readonly TraceForm[] = ['raw tracepoints', 'perf events']
/** A day. */
const LONGEST_INTERVAL = 86_400_000

/** What createVethPair() was asked for, as the operation wants it. */
export function vethEnds(options: VethPairOptions): {
  netns: Netns
  first: NewVethEnd
  second: NewVethEnd
  limits: Limits
} {
  const limits = limitsOf('createVethPair()', options, [...END, 'peer'])
  const { peer } = options
  const other = typeof peer === 'string' ? { name: peer } : peer
  checkOptions('the peer in createVethPair()', other, END)
  return {
    netns: netnsFrom(options.netns),
    first: { ...vethEnd(options), netns: null },
    second: { ...vethEnd(other), netns: other.netns === undefined ? null : netnsFrom(other.netns) },
    limits,
  }
}

function vethEnd(end: VethEndOptions): Omit<NewVethEnd, 'netns'> {
  const { name, up = false, mtu = null, address = null } = end
  const { rxQueues = null, txQueues = null, addrGenMode = null } = end
  if (typeof up !== 'boolean') throw new TypeError(`up must be true or false, not ${quote(up)}`)
  return { name, up, mtu, address, rxQueues, txQueues, addrGenMode }
}
