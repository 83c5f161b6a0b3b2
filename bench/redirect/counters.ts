import type { Device, LinkStats } from '../../src/index.ts'
import type { Sample } from './sample.ts'
import type { Scene } from './scene.ts'

/** The devices' own counters, all of them since the device was made. */
export interface Counters {
  readonly from: LinkStats | null
  readonly nic: LinkStats
  readonly target: LinkStats
  readonly peer: LinkStats
}

export async function readCounters({ from, nic, target, peer }: Scene): Promise<Counters> {
  return {
    from: from === null ? null : await statsOf(from),
    nic: await statsOf(nic),
    target: await statsOf(target),
    peer: await statsOf(peer),
  }
}

async function statsOf(device: Device): Promise<LinkStats> {
  const { stats, name } = await device.getLink()
  if (stats === null) throw new Error(`the kernel tells no counters of ${name}`)
  return stats
}

/** Counters in which a loss shows, in the order in which they are asked; each with its netlink name. */
const BEFORE_NIC = [
  ['from', 'txDropped', 'tx_dropped'],
  ['from', 'txErrors', 'tx_errors'],
  ['nic', 'rxMissedErrors', 'rx_missed_errors'],
  ['nic', 'rxFifoErrors', 'rx_fifo_errors'],
  ['nic', 'rxOverErrors', 'rx_over_errors'],
  ['nic', 'rxErrors', 'rx_errors'],
  ['nic', 'rxDropped', 'rx_dropped'],
] as const
/**
 * The target's first: what ndo_xdp_xmit() of a veth could not put into its peer's ring the receiving end counts as well,
 * as its rx_dropped. A veth counts in rx_dropped, too, what xdp_do_redirect() refused. Source: veth_get_stats64() and
 * veth_xdp_rcv_one(), drivers/net/veth.c.
 */
const BEHIND_NIC = [
  ['target', 'txDropped', 'tx_dropped'],
  ['target', 'txErrors', 'tx_errors'],
  ['nic', 'rxDropped', 'rx_dropped'],
  ['nic', 'rxErrors', 'rx_errors'],
] as const
type Place = (typeof BEFORE_NIC | typeof BEHIND_NIC)[number]

export const NOWHERE = 'no counter'

/**
 * What became of the frames between two readings. A veth's rx_packets are the frames that its NAPI has taken, or that were
 * given to its backlog, whatever a program then does with them. So delivered and the drops are `sent`, to the frame.
 */
export function outcome(
  sent: number,
  before: Counters,
  after: Counters,
  names: Readonly<Record<keyof Counters, string>>,
): Pick<Sample, 'received' | 'delivered' | 'drops'> {
  const grown = (place: Place) => {
    const [end, field] = place
    return Number((after[end]?.[field] ?? 0n) - (before[end]?.[field] ?? 0n))
  }
  const received = Number(after.nic.rxPackets - before.nic.rxPackets)
  const delivered = Number(after.peer.rxPackets - before.peer.rxPackets)
  const drops: { where: string; frames: number }[] = []
  // Some counters are asked on both sides of the NIC: what they have explained before it they cannot explain behind it.
  const told = new Map<string, number>()
  const explain = (lost: number, places: readonly Place[], where: string) => {
    let left = lost
    for (const place of places) {
      const counter = `${names[place[0]]} ${place[2]}`
      const used = told.get(counter) ?? 0
      const frames = Math.min(left, grown(place) - used)
      if (frames <= 0) continue
      drops.push({ where: counter, frames })
      told.set(counter, used + frames)
      left -= frames
    }
    if (left > 0) drops.push({ where: `${NOWHERE}, ${where}`, frames: left })
  }
  explain(sent - received, BEFORE_NIC, `before ${names.nic}`)
  explain(received - delivered, BEHIND_NIC, `behind ${names.nic}`)
  return { received, delivered, drops }
}
