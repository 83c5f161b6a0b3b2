import type { Device } from '../../src/index.ts'
import type { Generator } from './generator.ts'

/**
 *   from ─────────▶ nic ─ XDP redirect ─▶ target ───▶ peer
 */
export interface Scene {
  /** 'embedded': private namespaces and a feeder veth as the NIC. 'nic': devices of the machine's. */
  readonly kind: 'embedded' | 'nic'
  /** What is sent out of it arrives at the NIC; null where another machine sends. */
  readonly from: Device | null
  readonly nic: Device
  readonly target: Device
  readonly peer: Device
  /** null where another machine sends. */
  readonly generator: Generator | null
  /** Sets a feature of one of the devices; restore() sets it back. */
  setFeature(device: Device, feature: string, on: boolean): Promise<void>
  /** Puts everything back as it was, and ends the generator. A second time does nothing. */
  restore(): Promise<void>
}
