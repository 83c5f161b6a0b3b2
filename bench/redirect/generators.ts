import { release } from 'node:os'
import type { Device } from '../../src/index.ts'
import { openAfPacket } from './af-packet.ts'
import type { Generator, GeneratorName } from './generator.ts'
import { openLiveFrames } from './live-frames.ts'
import { openPktgen } from './pktgen.ts'

export type { GeneratorName } from './generator.ts'

/** The generator that is wanted, or the best that this kernel has. */
export async function openGenerator(device: Device, wanted: GeneratorName | null): Promise<Generator> {
  switch (wanted ?? best()) {
    case 'pktgen':
      return await openPktgen(device)
    case 'AF_PACKET':
      return await openAfPacket(device)
    default:
      return await openLiveFrames(device)
  }
}

function best(): GeneratorName {
  const [major = 0, minor = 0] = release().split('.').map(Number)
  return major > 5 || (major === 5 && minor >= 18) ? 'live frames' : 'AF_PACKET'
}
