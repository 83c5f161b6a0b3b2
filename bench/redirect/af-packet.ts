import type { Device } from '../../src/index.ts'
import { udpFrame } from './frame.ts'
import { type Generator, shares, together } from './generator.ts'
import { PinnedThreads } from './pinned-threads.ts'

/** Packet sockets: for kernels with neither pktgen nor live frames. Each frame is an sk_buff of its own. */
export async function openAfPacket(device: Device): Promise<Generator> {
  const { index } = await device.getLink()
  const threads = new PinnedThreads()
  return {
    name: 'AF_PACKET',
    async send({ frames, size, cores, destination }) {
      const counts = shares(frames, cores.length)
      const tasks = cores.map((cpu, i) => {
        const frame = udpFrame(size, destination, i)
        return [
          cpu,
          { by: 'AF_PACKET', netns: device.netns, ifindex: index, frame, count: counts[i]! },
        ] as const
      })
      return together(await threads.run(new Map(tasks)))
    },
    close: () => threads.close(),
  }
}
