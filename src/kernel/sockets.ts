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
  #idle: Socket[] = []

  constructor(shim: Shim) {
    this.#shim = shim
  }

  /** One in the namespace that the path stands for at this moment. */
  take(netns: Netns, protocol: number, inode = currentInode(netns, this.#shim)): Socket {
    for (let i = this.#idle.length - 1; i >= 0; i--) {
      const socket = this.#idle[i]!
      if (socket.path !== netns.path || socket.protocol !== protocol) continue
      const last = this.#idle.pop()!
      if (last !== socket) this.#idle[i] = last
      if (socket.inode === inode && (netns.inode === null || netns.inode === inode || inode === 0))
        return socket
      this.drop(socket)
    }
    return this.open(netns, protocol, inode)
  }

  open(netns: Netns, protocol: number, inode = currentInode(netns, this.#shim)): Socket {
    const fd = openNetns(netns)
    try {
      const slot = this.#shim.openSocket(fd, protocol)
      if (slot < 0) throw new SystemError(slot, fd < 0 ? 'socket' : 'setns', whyNotEntered(slot, fd, netns))
      return { slot, path: netns.path, inode, protocol }
    } finally {
      closeNetns(fd)
    }
  }

  /** For a socket whose conversation has come to its end. */
  giveBack(socket: Socket): void {
    this.#idle.push(socket)
    if (this.#idle.length > MOST_IDLE) this.drop(this.#idle.shift()!)
  }

  /** For a socket that may still have something unread in it. */
  drop(socket: Socket): void {
    this.#shim.closeSocket(socket.slot)
  }
}

/** Bounds descriptors while a sweep walks through thousands of namespaces. */
const MOST_IDLE = 64

/** Which of the ways in which setns(2) fails it was. */
function whyNotEntered(errno: number, fd: number, { path }: Netns): string {
  if (fd < 0) return ''
  if (errno === -EPERM) return `entering ${path} needs CAP_SYS_ADMIN over it`
  return errno === -EINVAL ? `${path} is no network namespace` : path
}

const EPERM = 1
const EINVAL = 22
