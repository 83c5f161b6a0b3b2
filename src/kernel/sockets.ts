import { SystemError } from '../wire/errors.ts'
import type { Netns } from '../wire/netns.ts'
import { closeNetns, currentInode, openNetns } from './netns-files.ts'
import type { Shim } from './shim.ts'

/** A netlink socket in some namespace, used by one conversation at a time. */
export interface Socket {
  readonly slot: number
  readonly path: string
  /** The namespace it was opened in: a path may come to stand for another one. */
  readonly inode: number
  readonly protocol: number
}

/**
 * Sockets that wait for their next conversation. The shim closes those that wait long, since a socket keeps
 * its namespace alive; its handle then gives EBADF and a fresh one is opened here.
 */
export class Sockets {
  readonly #shim: Shim
  /** By their namespace's path. */
  readonly #idle = new Map<string, Waiting>()
  #count = 0
  /** How many have been given back, ever. */
  #given = 0

  constructor(shim: Shim) {
    this.#shim = shim
  }

  /** One in the namespace that the path stands for at this moment. */
  take(netns: Netns, protocol: number, inode = currentInode(netns, this.#shim)): Socket {
    const there = this.#idle.get(netns.path)?.sockets ?? NONE
    for (let i = there.length - 1; i >= 0; i--) {
      const socket = there[i]!
      if (socket.protocol !== protocol) continue
      const last = there.pop()!
      this.#count--
      if (last !== socket) there[i] = last
      if (socket.inode === inode && (netns.inode === null || netns.inode === inode || inode === 0))
        return socket
      this.drop(socket)
    }
    return this.open(netns, protocol)
  }

  open(netns: Netns, protocol: number): Socket {
    try {
      return this.#open(netns, protocol)
    } catch (error) {
      // Those that wait are what this program can spare.
      if (!(error instanceof SystemError && error.code === 'EMFILE') || this.#count === 0) throw error
      this.#dropIdle(0)
      return this.#open(netns, protocol)
    }
  }

  #open(netns: Netns, protocol: number): Socket {
    const fd = openNetns(netns)
    try {
      const slot = this.#shim.openSocket(fd, protocol)
      if (slot < 0) throw new SystemError(slot, fd < 0 ? 'socket' : 'setns', whyNotEntered(slot, fd, netns))
      // Of what was opened: the path may have stood for another one when it was looked at.
      const inode = fd < 0 ? 0 : this.#shim.inode(fd, '')
      return { slot, path: netns.path, inode, protocol }
    } finally {
      closeNetns(fd)
    }
  }

  /** For a socket whose conversation has come to its end. */
  giveBack(socket: Socket): void {
    let there = this.#idle.get(socket.path)
    if (there === undefined) {
      there = { sockets: [], last: 0 }
      this.#idle.set(socket.path, there)
    }
    there.sockets.push(socket)
    there.last = ++this.#given
    if (++this.#count > MOST_IDLE) this.#dropIdle(MOST_IDLE)
  }

  /** Down to so many, those of the namespaces first that were used longest ago. */
  #dropIdle(most: number): void {
    while (this.#count > most) {
      let oldest: string | null = null
      let least = Number.POSITIVE_INFINITY
      for (const [path, { last }] of this.#idle) if (last < least) [oldest, least] = [path, last]
      if (oldest === null) return
      this.dropAll(oldest)
    }
  }

  /** For a namespace that the caller lets go of. */
  dropAll(path: string): void {
    const sockets = this.#idle.get(path)?.sockets ?? NONE
    this.#idle.delete(path)
    this.#count -= sockets.length
    for (const socket of sockets) this.drop(socket)
  }

  /** For a socket that may still have something unread in it. */
  drop(socket: Socket): void {
    this.#shim.closeSocket(socket.slot)
    if (this.#idle.get(socket.path)?.sockets.length === 0) this.#idle.delete(socket.path)
  }
}

/** The sockets of a path, and when one was given back last: how many had been by then. */
interface Waiting {
  readonly sockets: Socket[]
  last: number
}

const NONE: Socket[] = []

/**
 * As many as the shim keeps. Two for each of 250 namespaces find their place, as a sweep over a machine of containers
 * wants; more would be the descriptors of the program that we are a part of.
 */
const MOST_IDLE = 512

/** Which of the ways in which setns(2) fails it was. */
function whyNotEntered(errno: number, fd: number, { path }: Netns): string {
  if (fd < 0) return ''
  if (errno === -EPERM) return `entering ${path} needs CAP_SYS_ADMIN over it`
  return errno === -EINVAL ? `${path} is no network namespace` : path
}

const EPERM = 1
const EINVAL = 22
