import { SystemError } from '../wire/errors.ts'
import { align4, LITTLE_ENDIAN, NLMSG_HDRLEN } from '../wire/netlink.ts'
import type { Netns } from '../wire/netns.ts'
import { closeNetns, openNetns } from './netns-files.ts'
import { loadShim, type Shim } from './shim.ts'

/** What to subscribe to. */
export interface Groups {
  /** Kept alive until the subscription is closed: a socket pins its namespace. */
  readonly netns: Netns
  /** NETLINK_ROUTE or NETLINK_GENERIC. */
  readonly protocol: number
  /** Numbers of its multicast groups: RTNLGRP_*, or what the controller says of a generic family. */
  readonly groups: readonly number[]
  /** Bytes that the kernel may queue while this program is busy, RECEIVE_BUFFER when left out. */
  readonly receiveBuffer?: number | undefined
  /**
   * The same groups in every namespace that has an id in this one, by one socket, which pins none of them. Takes
   * CAP_NET_BROADCAST; 'if allowed' goes without where that is missing.
   */
  readonly allNsid?: boolean | 'if allowed' | undefined
}

/** What comes of a subscription, in the kernel's order. */
export interface Listener {
  /**
   * A message: its payload is view[at, end), its nlmsg_type is type, and valid during the call only. nsid is the id of the
   * namespace it comes from, null for the subscription's own.
   */
  message(view: DataView, at: number, end: number, type: number, nsid: number | null): void
  /** Messages were lost here, none after what was heard before: what is asked from now on misses nothing. */
  lost(): void
}

/** The kernel doubles it, and counts some 4 KB for a link's event. */
export const RECEIVE_BUFFER = 8 * 1024 * 1024

/** What fetch() wants at least: a part. */
const PART = 256 * 1024
/** Three words before each datagram. */
const RECORD = 12
const NO_NSID = -1
const EPERM = -1

/** null while it is lent: a listener may read another subscription meanwhile. */
let spare: Uint8Array | null = null

/**
 * Bound, and in its groups, when this returns: what is asked afterwards misses nothing.
 * `news` is called when there is something to read, and not again before it has been read.
 * @throws SystemError EPERM without CAP_SYS_ADMIN over another namespace, or CAP_NET_BROADCAST for all of them.
 */
export function openSubscription(what: Groups, news: () => void, shim: Shim = loadShim()): Subscription {
  const { netns, protocol, groups, receiveBuffer = RECEIVE_BUFFER, allNsid = false } = what
  const fd = openNetns(netns)
  try {
    const subscribe = (all: 0 | 1) =>
      shim.subscribe(fd, protocol, Uint32Array.from(groups), receiveBuffer, all, news)
    let handle = subscribe(allNsid ? 1 : 0)
    if (handle === EPERM && allNsid === 'if allowed') handle = subscribe(0)
    if (handle < 0) {
      const needs = handle === EPERM && allNsid ? ' of other namespaces needs CAP_NET_BROADCAST' : ''
      throw new SystemError(handle, 'socket', `subscribing to groups ${groups.join(', ')}${needs}`)
    }
    return new Subscription(shim, handle)
  } finally {
    closeNetns(fd)
  }
}

/** Multicast groups of the kernel's, listened to by a thread of the shim. It ends with its JavaScript thread at the latest. */
export class Subscription {
  /** How often something was lost. */
  losses = 0
  readonly #shim: Shim
  readonly #handle: number
  #isOpen = true

  constructor(shim: Shim, handle: number) {
    this.#shim = shim
    this.#handle = handle
  }

  /** Hands out what has come until now: at most 256 KiB, what else there is makes news again. */
  read(listener: Listener): void {
    if (!this.#isOpen) return
    const buffer = spare ?? new Uint8Array(PART)
    spare = null
    try {
      const length = this.#shim.fetch(this.#handle, buffer)
      if (length < 0) throw new SystemError(length, 'recvmsg')
      this.#hand(new DataView(buffer.buffer), length, listener)
    } finally {
      spare = buffer
    }
  }

  #hand(view: DataView, end: number, listener: Listener): void {
    for (let at = 0; at < end && this.#isOpen; ) {
      const length = view.getUint32(at, LITTLE_ENDIAN)
      const sender = view.getUint32(at + 4, LITTLE_ENDIAN)
      const nsid = view.getInt32(at + 8, LITTLE_ENDIAN)
      at += RECORD
      if (length === 0) {
        this.#lose(listener)
      } else if (sender === 0) {
        this.#handDatagram(view, at, at + length, nsid === NO_NSID ? null : nsid, listener)
      }
      at += align4(length)
    }
  }

  #handDatagram(view: DataView, at: number, end: number, nsid: number | null, listener: Listener): void {
    while (at + NLMSG_HDRLEN <= end && this.#isOpen) {
      const length = view.getUint32(at, LITTLE_ENDIAN)
      if (length < NLMSG_HDRLEN || at + length > end) {
        this.#lose(listener)
        return
      }
      const type = view.getUint16(at + 4, LITTLE_ENDIAN)
      listener.message(view, at + NLMSG_HDRLEN, at + length, type, nsid)
      at += align4(length)
    }
  }

  #lose(listener: Listener): void {
    this.losses++
    listener.lost()
  }

  /** Whether the program is to live on while there is nothing but this to wait for; at first not. */
  keepAlive(on: boolean): void {
    if (this.#isOpen) this.#shim.keepAlive(this.#handle, on ? 1 : 0)
  }

  /** Ends its thread and closes its socket; nothing is handed out any more. A second time does nothing. */
  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#shim.unsubscribe(this.#handle)
  }
}
