import {
  closeRedirectCounter,
  type RedirectCount,
  type RedirectCounter,
  readRedirectCounter,
} from './bpf/redirect-counter.ts'
import { perform } from './device.ts'
import { type OwnNetns, removeNetns } from './veth/netns.ts'
import { type Netns, netnsLabel } from './wire/netns.ts'

/** A network namespace of our making; usable wherever a netns is asked for. */
export class NetnsHandle implements Netns {
  readonly path: string
  readonly inode: number | null
  /** Its name under /run/netns, or null. */
  readonly name: string | null
  /** The descriptor that keeps it alive, or null when its name does. */
  readonly fd: number | null
  readonly #own: OwnNetns

  constructor(own: OwnNetns) {
    this.path = own.path
    this.inode = own.inode
    this.name = own.name
    this.fd = own.fd
    this.#own = own
  }

  toString(): string {
    return netnsLabel(this)
  }

  /** Lets go of it: it ends, and its devices with it, when nobody else holds it. */
  remove(): Promise<void> {
    return perform(removeNetns(this.#own), {})
  }
}

/** Counts how XDP redirects end, on the whole machine, until it is closed or the process ends. */
export class RedirectCounterHandle {
  readonly #counter: RedirectCounter

  constructor(counter: RedirectCounter) {
    this.#counter = counter
  }

  /** What was counted since it was opened: an entry per tracepoint and errno that occurred. */
  read(): Promise<RedirectCount[]> {
    return perform(readRedirectCounter(this.#counter), {})
  }

  close(): Promise<void> {
    return perform(closeRedirectCounter(this.#counter), {})
  }
}
