import { setTimeout as sleep } from 'node:timers/promises'
import { type Device, device } from '../../src/index.ts'
import { Changes } from './changes.ts'
import type { MachineDevices } from './command-line.ts'
import type { Generator, GeneratorName, Order } from './generator.ts'
import { openGenerator } from './generators.ts'
import type { PktgenOptions } from './pktgen-order.ts'
import { refuseForeignPrograms, refuseLifelines } from './safety.ts'
import type { Scene } from './scene.ts'

export interface NicOptions {
  /** null: the best that the kernel has. */
  readonly generator: GeneratorName | null
  readonly pktgen?: PktgenOptions
  /** Takes devices that carry a lifeline all the same. */
  readonly force: boolean
  /** Whether programs will be attached to the peer. */
  readonly attachesToPeer: boolean
}

/**
 *   from ─────────▶ nic ─ XDP redirect ─▶ target ───▶ peer
 *
 * Devices of the machine's, which stay as they are but for features, programs and what is sent. Without `from` another
 * machine sends to the NIC. @throws Error for devices that are not up, have somebody's program, or carry a lifeline.
 */
export async function buildNicScene(names: MachineDevices, options: NicOptions): Promise<Scene> {
  const [nic, target] = [device(names.nic), device(names.target)]
  const from = names.from === null ? null : device(names.from)
  const peer = await target.getVethPeer()
  const ports = from === null ? [nic] : [nic, from]
  await refuseSameDevices([...ports, target])
  for (const each of [...ports, target, peer]) await refuseDown(each)
  await refuseForeignPrograms([...ports, target, peer])
  if (!options.force) await refuseLifelines([...ports, target], options.attachesToPeer ? peer : null)
  const generator = from && (await openGenerator(from, options.generator, 'NIC', options.pktgen))
  const { name, index } = await target.getLink()
  const changes = new Changes()
  const setFeature = async (of: Device, feature: string, on: boolean) => {
    const own = of === peer ? { end: 'peer' as const, name, index } : await placeOf(of)
    await changes.setFeature(of, own, feature, on)
  }
  const restore = async () => {
    try {
      await generator?.close()
    } finally {
      await changes.restore()
    }
  }
  try {
    // Live frames out of a veth need NAPI at its other end; a NIC has it.
    const isFed = generator?.name === 'live frames' && (await nic.getLink()).kind === 'veth'
    if (isFed) await setFeature(nic, 'gro', true)
  } catch (error) {
    await restore()
    throw error
  }
  const sender = generator && whileCarrier(generator, ports)
  return { kind: 'nic', from, nic, target, peer, generator: sender, setFeature, restore }
}

async function placeOf(of: Device) {
  const { name, index } = await of.getLink()
  return { end: 'device' as const, name, index }
}

async function refuseSameDevices(devices: readonly Device[]): Promise<void> {
  const links = await Promise.all(devices.map(each => each.getLink()))
  if (new Set(links.map(({ index }) => index)).size < links.length)
    throw new Error(`${links.map(({ name }) => name).join(', ')}: each must be a device of its own`)
}

async function refuseDown(each: Device): Promise<void> {
  const { name, flags } = await each.getLink()
  if ((flags & IFF_UP) === 0) throw new Error(`${each} is down: ip link set dev ${name} up`)
}

/** Source: include/uapi/linux/if.h. */
const IFF_UP = 1

/** Some drivers, as igb, start anew with a native program, and nothing gets through for seconds. */
function whileCarrier(generator: Generator, ports: readonly Device[]): Generator {
  return {
    name: generator.name,
    async send(order: Order) {
      for (const port of ports) await waitForCarrier(port)
      return await generator.send(order)
    },
    close: () => generator.close(),
  }
}

const PATIENCE_MS = 20_000

async function waitForCarrier(port: Device): Promise<void> {
  const begun = performance.now()
  while ((await port.getLink()).carrier === 0) {
    if (performance.now() - begun > PATIENCE_MS) throw new Error(`${port} has no carrier: is it wired?`)
    await sleep(50)
  }
}
