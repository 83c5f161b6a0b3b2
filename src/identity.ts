import type { Limits } from './kernel/kernel.ts'
import type { OwnNetns } from './veth/netns.ts'
import { checkDevice, type DeviceRef, printable } from './wire/device-ref.ts'
import { type Netns, netnsLabel } from './wire/netns.ts'

/** What a device's handle knows without asking: the same in both forms. */
export class DeviceIdentity {
  /** The name, or null for a device that was given by its index. */
  readonly name: string | null
  /** The index, or null for a device that was given by its name. */
  readonly index: number | null
  readonly netns: Netns
  protected readonly ref: DeviceRef
  protected readonly limits: Limits

  constructor(ref: DeviceRef, limits: Limits) {
    this.ref = { ...ref, device: checkDevice(ref.device) }
    this.limits = limits
    this.netns = ref.netns
    this.name = typeof ref.device === 'string' ? ref.device : (ref.name ?? null)
    this.index = typeof ref.device === 'number' ? ref.device : null
  }

  toString(): string {
    const name = this.name === null ? `device ${this.index}` : printable(this.name)
    return `${name} in ${netnsLabel(this.netns)}`
  }
}

/** A network namespace of our making; usable wherever a netns is asked for. */
export class NetnsIdentity implements OwnNetns {
  readonly path: string
  readonly inode: number | null
  /** Its name under /run/netns, or null. */
  readonly name: string | null
  /** The descriptor that keeps it alive, or null when its name does. */
  readonly fd: number | null
  removed: boolean

  constructor({ path, inode, name, fd, removed }: OwnNetns) {
    this.path = path
    this.inode = inode
    this.name = name
    this.fd = fd
    this.removed = removed
  }

  toString(): string {
    return netnsLabel(this)
  }
}
