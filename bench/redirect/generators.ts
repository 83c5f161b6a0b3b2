import { release } from 'node:os'
import type { Device } from '../../src/index.ts'
import { openAfPacket } from './af-packet.ts'
import type { Generator, GeneratorName } from './generator.ts'
import { openLiveFrames } from './live-frames.ts'
import { openPktgen } from './pktgen.ts'
import { NoPktgenError } from './pktgen-netns.ts'
import type { PktgenOptions } from './pktgen-order.ts'

/**
 * The generator that is wanted, or the best one: out of a veth live frames, which tell their own time, and before 5.18
 * AF_PACKET, as what pktgen sends there must not meet a generic program; out of a NIC pktgen, as live frames need a
 * driver that sends them without a program of its own.
 */
export async function openGenerator(
  device: Device,
  wanted: GeneratorName | null,
  of: 'veth' | 'NIC',
  pktgen: PktgenOptions = {},
): Promise<Generator> {
  if (wanted === 'live frames' && !hasLiveFrames())
    throw new Error('live frames need Linux 5.18: --generator pktgen or af-packet')
  switch (wanted ?? (of === 'NIC' ? 'pktgen' : hasLiveFrames() ? 'live frames' : 'AF_PACKET')) {
    case 'live frames':
      return await openLiveFrames(device)
    case 'AF_PACKET':
      return await openAfPacket(device)
    case 'pktgen':
      return await (wanted === null ? openPktgenOrAfPacket(device, pktgen) : openPktgen(device, pktgen))
  }
}

async function openPktgenOrAfPacket(device: Device, pktgen: PktgenOptions): Promise<Generator> {
  try {
    return await openPktgen(device, pktgen)
  } catch (error) {
    if (!(error instanceof NoPktgenError)) throw error
    return await openAfPacket(device)
  }
}

function hasLiveFrames(): boolean {
  const [major = 0, minor = 0] = release().split('.').map(Number)
  return major > 5 || (major === 5 && minor >= 18)
}
