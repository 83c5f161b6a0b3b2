import {
  countRedirects,
  createNetns,
  createVethPair,
  type Device,
  type NetnsHandle,
  type RedirectCount,
  xdpRedirect,
} from '../index.ts'

/**
 *   outside           host                               container
 *   gen0 ─────────▶ nic0 ─ XDP redirect ─▶ veth_xxx0 ───▶ eth0
 *
 * Three network namespaces that only this process holds, so that nothing is left however it ends.
 */
export interface Scene {
  readonly host: NetnsHandle
  readonly container: NetnsHandle
  /** Frames put into this one arrive at nic0 as they would from a wire. */
  readonly gen0: Device
  /** The NIC, on which the XDP program sits. */
  readonly nic0: Device
  /** The redirect's target. */
  readonly veth: Device
  /** The target's peer. */
  readonly eth0: Device
}

/** What became of frames that nic0 received. */
export interface Round {
  readonly sent: number
  /** Packets that eth0 counted. */
  readonly delivered: number
  /** How the redirect failed most often, or null. */
  readonly failure: RedirectCount | null
  /** null where the frames were sent in a way that does not tell. */
  readonly nsPerFrame: number | null
}

export async function buildScene(): Promise<Scene> {
  const [outside, host, container] = [await createNetns(), await createNetns(), await createNetns()]
  // No IPv6 addresses: the kernel would announce them, and eth0's counter would show more than was redirected.
  const quiet = { up: true, addrGenMode: 'none' } as const
  const [gen0, nic0] = await createVethPair({
    name: 'gen0',
    netns: outside,
    ...quiet,
    peer: { name: 'nic0', netns: host, ...quiet },
  })
  const [veth, eth0] = await createVethPair({
    name: 'veth_xxx0',
    netns: host,
    ...quiet,
    peer: { name: 'eth0', netns: container, ...quiet },
  })
  return { host, container, gen0, nic0, veth, eth0 }
}

/** Puts frames onto the wire to nic0, where a program redirects them into the veth, and counts at its peer. */
export async function send(scene: Scene, mode: 'native' | 'generic', frames: number): Promise<Round> {
  const { gen0, nic0, veth, eth0 } = scene
  const program = await nic0.attachXdp(xdpRedirect((await veth.getLink()).index), {
    mode,
    lifetime: 'process',
  })
  const counter = await countRedirects()
  try {
    const before = await received(eth0)
    const { delivered: sent, nsPerFrame } = await gen0.probeRedirect({ frames })
    const delivered = (await settled(eth0, before + sent)) - before
    // The counter is the machine's: where nothing of ours is lost, what it has is somebody else's.
    const failure = delivered < sent ? mostFrequent(await counter.read()) : null
    return { sent, delivered, failure, nsPerFrame }
  } finally {
    await counter.close()
    await program.detach()
  }
}

/** Waits for the last frames to come through, as long as any do: a busy machine may take its time for the next ones. */
async function settled(device: Device, expected: number): Promise<number> {
  let count = await received(device)
  for (let patience = 50; count < expected && patience > 0; patience--) {
    await new Promise(resolve => setTimeout(resolve, 2))
    const before = count
    count = await received(device)
    if (count > before) patience = 50
  }
  return count
}

async function received(device: Device): Promise<number> {
  return Number((await device.getLink()).stats?.rxPackets)
}

function mostFrequent(counts: readonly RedirectCount[]): RedirectCount | null {
  const failures = counts.filter(({ code }) => code !== null).sort((a, b) => b.refused - a.refused)
  return failures[0] ?? null
}
