/** Makes traffic that arrives at the NIC of a scene. */
export interface Generator {
  readonly name: GeneratorName
  /** Sends out of the device that it was opened for; resolves when all is out. */
  send(order: Order): Promise<Sent>
  close(): Promise<void>
}

export type GeneratorName = 'pktgen' | 'live frames' | 'AF_PACKET'

export interface Order {
  /** In all, shared among the CPUs. */
  readonly frames: number
  /** Bytes of a frame without its checksum. */
  readonly size: number
  /** The CPUs that send, each its share. */
  readonly cores: readonly number[]
  /** The address that the frames are sent to: six bytes. */
  readonly destination: Uint8Array
}

export interface Sent {
  readonly sent: number
  /** The time it took, without preparations: with several CPUs, what all would take at the sum of their rates. */
  readonly nanoseconds: number
}

/** Each CPU's share; the first ones take what does not divide. */
export function shares(frames: number, cores: number): number[] {
  const least = Math.floor(frames / cores)
  return Array.from({ length: cores }, (_, i) => least + (i < frames % cores ? 1 : 0))
}

/** What CPUs sent at the same time: their rates add up. One that sent nothing adds none. */
export function together(each: readonly Sent[]): Sent {
  let [sent, rate] = [0, 0]
  for (const one of each) {
    sent += one.sent
    if (one.sent > 0) rate += one.sent / one.nanoseconds
  }
  return { sent, nanoseconds: rate === 0 ? 0 : sent / rate }
}
