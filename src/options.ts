import type { Limits } from './kernel/kernel.ts'
import type { AddrGenMode } from './rtnetlink/link-change.ts'
import type { NewVethEnd } from './veth/pairs.ts'
import { type Netns, type NetnsRef, netnsFrom } from './wire/netns.ts'

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

export function limitsOf({ timeout, signal }: AsyncOptions): Limits {
  if (timeout !== undefined && !(timeout > 0 && timeout <= 0x7fffffff)) {
    throw new RangeError(`timeout must be a number of milliseconds, not ${timeout}`)
  }
  return { timeout, signal }
}

/** Each end as the operation wants it, in the namespace of the first unless it says otherwise. */
export function vethEnds(options: VethPairOptions): { netns: Netns; first: NewVethEnd; second: NewVethEnd } {
  const { peer } = options
  const netns = netnsFrom(options.netns)
  const other = typeof peer === 'string' ? { name: peer } : peer
  const first = { ...vethEnd(options), netns: null }
  return {
    netns,
    first,
    second: { ...vethEnd(other), netns: other.netns === undefined ? null : netnsFrom(other.netns) },
  }
}

function vethEnd(end: VethEndOptions): Omit<NewVethEnd, 'netns'> {
  const {
    name,
    up = false,
    mtu = null,
    address = null,
    rxQueues = null,
    txQueues = null,
    addrGenMode = null,
  } = end
  return { name, up, mtu, address, rxQueues, txQueues, addrGenMode }
}
