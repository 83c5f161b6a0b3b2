import { closeDescriptor, createRedirectDevmap, PromiseKernel, run, xdpRedirectMap } from '../../src/codec.ts'
import { type ProgramSource, type XdpHandle, xdpDrop, xdpPass, xdpRedirect } from '../../src/index.ts'
import type { Case } from './case.ts'
import type { Scene } from './scene.ts'

/** What tells this benchmark's programs from all others on the machine, in bpftool's lists too. */
export const PROGRAM_NAME = `bench_${process.pid}`

export function named(program: ProgramSource): ProgramSource {
  return { ...program, name: PROGRAM_NAME }
}

/** Whether the case has a program at the peer. */
export function attachesToPeer({ peer }: Case): boolean {
  return peer === 'pass' || peer === 'drop'
}

/**
 * Attaches the case's programs, as bpf links: they end with this process, and nobody else's is replaced.
 * @returns what detaches them.
 */
export async function attachPrograms(scene: Scene, what: Case): Promise<() => Promise<void>> {
  const attached: XdpHandle[] = []
  const detach = async () => {
    for (const handle of attached.reverse()) await handle.detach()
  }
  try {
    if (attachesToPeer(what)) {
      const program = named(what.peer === 'pass' ? xdpPass() : xdpDrop())
      attached.push(await scene.peer.attachXdp(program, { lifetime: 'process' }))
    }
    attached.push(await (what.via === 'devmap' ? byDevmap(scene, what) : byIndex(scene, what)))
    return detach
  } catch (error) {
    await detach()
    throw error
  }
}

async function byIndex({ nic, target }: Scene, { mode }: Case): Promise<XdpHandle> {
  const { index } = await target.getLink()
  return await nic.attachXdp(named(xdpRedirect(index)), { mode, lifetime: 'process' })
}

/** The loaded program keeps its map. */
async function byDevmap({ nic, target }: Scene, { mode }: Case): Promise<XdpHandle> {
  const kernel = new PromiseKernel()
  const { index } = await target.getLink()
  const devmap = await run(createRedirectDevmap(index, target.netns), kernel)
  try {
    return await nic.attachXdp(named(xdpRedirectMap(devmap)), { mode, lifetime: 'process' })
  } finally {
    await run(closeDescriptor(devmap.fd), kernel)
  }
}

/** Makes the NIC drop all that comes: what a generator can do at most is measured so. */
export async function attachSink({ nic }: Scene): Promise<() => Promise<void>> {
  const handle = await nic.attachXdp(named(xdpDrop()), { lifetime: 'process' })
  return () => handle.detach()
}
