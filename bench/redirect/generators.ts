import { release } from 'node:os'
import type { Device } from '../../src/index.ts'
import { openAfPacket } from './af-packet.ts'
import type { Generator, GeneratorName } from './generator.ts'
import { openLiveFrames } from './live-frames.ts'
import { openPktgen } from './pktgen.ts'
import { NoPktgenError } from './pktgen-netns.ts'

/**
 * The generator that is wanted, or the best that this kernel has for the device: live frames where they can be (of a
 * veth they are the fastest, and tell their own time), then pktgen, then AF_PACKET.
 */
export async function openGenerator(
  device: Device,
  wanted: GeneratorName | null,
  prefers: 'live frames' | 'pktgen' = 'live frames',
): Promise<Generator> {
  if (wanted === 'live frames' && !hasLiveFrames()) {
    throw new Error('live frames need Linux 5.18: --generator pktgen or af-packet')
  }
  if (wanted === 'live frames') return await openLiveFrames(device)
  if (wanted === 'AF_PACKET') return await openAfPacket(device)
  if (wanted === 'pktgen') return await openPktgen(device)
  if (prefers === 'live frames' && hasLiveFrames()) return await openLiveFrames(device)
  try {
    return await openPktgen(device)
  } catch (error) {
    if (!(error instanceof NoPktgenError)) throw error
    return await openAfPacket(device)
  }
}

function hasLiveFrames(): boolean {
  const [major = 0, minor = 0] = release().split('.').map(Number)
  return major > 5 || (major === 5 && minor >= 18)
}
