import { u32, uint } from '../wire/attribute.ts'
import type { Netns } from '../wire/netns.ts'
import type { Operation } from '../wire/operation.ts'
import { dump } from '../wire/request.ts'
import { NO_UNKNOWN, table } from '../wire/table.ts'
import { netdevDump, netdevReply } from './message.ts'

/** NETDEV_A_PAGE_POOL_*, those that change all the time. */
const A_INFLIGHT = 4
const A_INFLIGHT_MEM = 5

/**
 * Where a driver takes the memory for received frames from. Its counters of pages in use are left out, as no message tells
 * when they change. Source: Documentation/netlink/specs/netdev.yaml (NETDEV_A_PAGE_POOL_*), net/core/page_pool_user.c.
 */
export class PagePool {
  unknown = NO_UNKNOWN
  /** Unique in the machine. */
  id = 0
  /** Its device's; the loopback device's once that is gone and pages of the pool are still in use. */
  index = 0
  /** The NAPI instance that it serves, 0 for none. */
  napiId = 0
  /** When its driver let go of it, in seconds since the machine started; null: it is in use. */
  detachTime: bigint | null = null
  /** The dma-buf that it takes memory from, null for none. */
  dmabuf: number | null = null
}
const PAGE_POOL = table<PagePool>(
  [
    [1, 'id', u32],
    [2, 'index', u32],
    [3, 'napiId', u32],
    [6, 'detachTime', uint],
    [7, 'dmabuf', u32],
  ],
  [A_INFLIGHT, A_INFLIGHT_MEM],
)

/** Reads a message about a page pool: an answer or a notification. */
export const decodePagePool = netdevReply(PagePool, PAGE_POOL)

/** Those of all devices of a namespace. @throws NetlinkError EOPNOTSUPP before Linux 6.8, or without CONFIG_PAGE_POOL. */
export function* listPagePools(netns: Netns): Operation<PagePool[]> {
  return yield* dump(yield* netdevDump('PAGE_POOL_GET', netns, PAGE_POOL), decodePagePool)
}
