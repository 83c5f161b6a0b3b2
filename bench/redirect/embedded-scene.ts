import { createNetns, createVethPair, type Device } from '../../src/index.ts'
import type { GeneratorName } from './generator.ts'
import { openGenerator } from './generators.ts'
import type { PktgenOptions } from './pktgen-order.ts'
import type { Scene } from './scene.ts'

/**
 *   outside           host                               container
 *   gen0 ─────────▶ nic0 ─ XDP redirect ─▶ veth_xxx0 ───▶ eth0
 *
 * Three network namespaces that only this process holds, so that nothing is left however it ends. Each veth has a queue
 * for each CPU that will send: a CPU puts frames into the ring of its own number (veth_select_rxq()).
 */
export async function buildEmbeddedScene(
  queues: number,
  wanted: GeneratorName | null,
  pktgen: PktgenOptions = {},
): Promise<Scene> {
  const [outside, host, container] = [await createNetns(), await createNetns(), await createNetns()]
  // No IPv6 addresses: the kernel would announce them, and counters would show more than what was sent.
  const end = { up: true, addrGenMode: 'none', rxQueues: queues, txQueues: queues } as const
  // The sending end comes up last, so with a carrier: else it drops until a worker has given it a queue.
  const [nic, from] = await createVethPair({
    name: 'nic0',
    netns: host,
    ...end,
    peer: { name: 'gen0', netns: outside, ...end },
  })
  const [target, peer] = await createVethPair({
    name: 'veth_xxx0',
    netns: host,
    ...end,
    peer: { name: 'eth0', netns: container, ...end },
  })
  // Without a native program, nic0 would have no NAPI. With one GRO changes nothing: so it is on in both modes.
  await nic.setFeature('gro', true)
  const generator = await openGenerator(from, wanted, 'veth', pktgen)
  let isThere = true
  return {
    kind: 'embedded',
    from,
    nic,
    target,
    peer,
    generator,
    async setFeature(device: Device, feature: string, on: boolean) {
      await device.setFeature(feature, on)
    },
    async restore() {
      if (!isThere) return
      isThere = false
      await generator.close()
      for (const netns of [outside, host, container]) await netns.remove()
    },
  }
}
