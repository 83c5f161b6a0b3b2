import {
  closeRedirectCounter,
  type RedirectCount,
  type RedirectCounter,
  readRedirectCounter,
} from './bpf/redirect-counter.ts'
import { perform } from './device.ts'
import { NetnsIdentity } from './identity.ts'
import { removeNetns } from './veth/netns.ts'

/** A network namespace of our making; usable wherever a netns is asked for. */
export class NetnsHandle extends NetnsIdentity {
  /** Lets go of it: it ends, and its devices with it, when nobody else holds it. */
  remove(): Promise<void> {
    return perform(removeNetns(this), {})
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
