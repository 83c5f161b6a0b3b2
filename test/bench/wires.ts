import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createNetns, createVethPair, type Device, device, type NetnsHandle } from '../../src/index.ts'
import { execIn } from '../tools/netns.ts'

/** What is sent out of `gen` arrives at `nic`, in the namespace `host`. */
export interface Wire {
  readonly gen: Device
  readonly nic: Device
  readonly host: NetnsHandle
}

/** The NICs that a machine of test/kernels has: other machines' are none of a test's business. */
const [FIRST, SECOND] = process.env.VETH_NL_NICS?.split(' ') ?? []

/** For a test's `skip`: why there are none, or false. */
export const needsNics: string | false =
  FIRST === undefined ? 'needs two NICs back to back, which a machine of test/kernels has' : false

/** A veth pair as a wire, with a queue for each of two CPUs. */
export async function vethWire(t: TestContext): Promise<Wire> {
  const [outside, host] = [await ownNetns(t), await ownNetns(t)]
  const end = { up: true, addrGenMode: 'none', rxQueues: 2, txQueues: 2 } as const
  const [nic, gen] = await createVethPair({
    ...{ name: 'nic0', netns: host, ...end },
    peer: { name: 'gen0', netns: outside, ...end },
  })
  return { gen, nic, host }
}

/** Two NICs, up. Afterwards they are where they were. */
export async function nicWire(t: TestContext): Promise<Wire> {
  return await nicsIn(t, await createNetns(), await createNetns())
}

/** The same with both in one namespace, as ports of one machine. */
export async function nicPorts(t: TestContext): Promise<Wire> {
  const host = await createNetns()
  return await nicsIn(t, host, host)
}

async function nicsIn(t: TestContext, outside: NetnsHandle, host: NetnsHandle): Promise<Wire> {
  const [gen, nic] = [await moved(FIRST!, outside), await moved(SECOND!, host)]
  t.after(async () => {
    for (const end of [gen, nic]) await end.move({ pid: process.pid })
    for (const netns of new Set([outside, host])) await netns.remove()
  })
  await carrier(gen, nic)
  return { gen, nic, host }
}

async function moved(name: string, netns: NetnsHandle): Promise<Device> {
  const there = await device(name).move(netns)
  // Else the kernel announces an IPv6 address, and counters show more than what was sent.
  execIn(netns, 'ip', 'link', 'set', 'dev', name, 'addrgenmode', 'none', 'up')
  return there
}

/** Waits until frames get through: an igb does without for seconds when it comes up, or gets a native program. */
export async function carrier(...devices: readonly Device[]): Promise<void> {
  for (let patience = 200; patience > 0; patience--) {
    const links = await Promise.all(devices.map(device => device.getLink()))
    if (links.every(({ carrier }) => carrier === 1)) return
    await sleep(100)
  }
  throw new Error(`no carrier: ${devices.join(', ')}`)
}

async function ownNetns(t: TestContext): Promise<NetnsHandle> {
  const netns = await createNetns()
  t.after(() => netns.remove())
  return netns
}
