import type { Kind } from '../wire/attribute.ts'
import { LITTLE_ENDIAN } from '../wire/netlink.ts'

/**
 * A link's 64-bit counters, as bigints, for which JSON.stringify() wants a replacer; packets and bytes since the link was made. 0 where the kernel does not know one.
 * Source: struct rtnl_link_stats64, include/uapi/linux/if_link.h.
 */
export class LinkStats {
  rxPackets = 0n
  txPackets = 0n
  rxBytes = 0n
  txBytes = 0n
  rxErrors = 0n
  txErrors = 0n
  rxDropped = 0n
  txDropped = 0n
  multicast = 0n
  collisions = 0n
  rxLengthErrors = 0n
  rxOverErrors = 0n
  rxCrcErrors = 0n
  rxFrameErrors = 0n
  rxFifoErrors = 0n
  rxMissedErrors = 0n
  txAbortedErrors = 0n
  txCarrierErrors = 0n
  txFifoErrors = 0n
  txHeartbeatErrors = 0n
  txWindowErrors = 0n
  rxCompressed = 0n
  txCompressed = 0n
  rxNohandler = 0n
  rxOtherhostDropped = 0n
}

/** In the struct's order, which is the class's. */
const FIELDS = Object.keys(new LinkStats()) as (keyof LinkStats)[]

/** IFLA_STATS64. The struct grows with kernels: what is shorter or longer than ours is read as far as both go. */
export const stats64: Kind<LinkStats> = {
  least: 8,
  read(view, at, length) {
    const stats = new LinkStats()
    const count = Math.min(length >> 3, FIELDS.length)
    for (let i = 0; i < count; i++) {
      const where = at + 8 * i
      // Most counters are 0, which two words tell faster than a bigint.
      if (view.getUint32(where) !== 0 || view.getUint32(where + 4) !== 0) {
        stats[FIELDS[i]!] = view.getBigUint64(where, LITTLE_ENDIAN)
      }
    }
    return stats
  },
  write(writer, stats) {
    for (const field of FIELDS) writer.u64(stats[field])
  },
}
