/** The NICs that a machine can have: a pair of one kind, wired back to back: what goes out of one comes in at the other. */
export type NicKind = 'virtio' | 'igb'

/** What they are called inside. */
export const NIC_NAMES = ['eth0', 'eth1'] as const

const WIRE = NIC_NAMES.flatMap(name => ['-netdev', `hubport,id=${name},hubid=0`])

/** QEMU's words for them. Several queues are offered; on a hub virtio_net gets one, and igb one for each CPU. */
export function nicWords(kind: NicKind): string[] {
  if (kind === 'virtio')
    return [
      ...WIRE,
      ...NIC_NAMES.flatMap(name => ['-device', `virtio-net-pci,netdev=${name},mq=on,vectors=8`]),
    ]
  // PCI Express, whose ports the machine q35 has.
  const devices = NIC_NAMES.flatMap((name, at) => [
    ...['-device', `pcie-root-port,id=port${at},chassis=${at + 1},slot=${at + 1}`],
    ...['-device', `igb,netdev=${name},bus=port${at}`],
  ])
  return ['-machine', 'q35', ...WIRE, ...devices]
}
