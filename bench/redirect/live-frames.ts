import { closeDescriptor, loadProgram, PromiseKernel, run } from '../../src/codec.ts'
import { type Device, xdpRedirect } from '../../src/index.ts'
import { udpFrame } from './frame.ts'
import { type Generator, shares, together } from './generator.ts'
import { PinnedThreads } from './pinned-threads.ts'
import { named } from './programs.ts'

/**
 * BPF_PROG_RUN with live frames: a program that redirects into the device is run once for each frame, and the device's
 * driver sends it (ndo_xdp_xmit). Linux 5.18; a veth needs NAPI at its other end. The kernel tells the time per frame.
 */
export async function openLiveFrames(device: Device): Promise<Generator> {
  const kernel = new PromiseKernel()
  const { index } = await device.getLink()
  const program = await run(loadProgram(named(xdpRedirect(index))), kernel)
  const threads = new PinnedThreads()
  return {
    name: 'live frames',
    async send({ frames, size, cores, destination }) {
      const counts = shares(frames, cores.length)
      const tasks = cores.map((cpu, i) => {
        const frame = udpFrame(size, destination, i)
        return [cpu, { by: 'live frames', netns: device.netns, program, frame, count: counts[i]! }] as const
      })
      return together(await threads.run(new Map(tasks)))
    },
    async close() {
      await threads.close()
      await run(closeDescriptor(program), kernel)
    },
  }
}
