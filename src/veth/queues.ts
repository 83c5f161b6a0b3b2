import type { Channels } from '../ethtool/channels.ts'
import type { LinkExcerpt } from '../rtnetlink/link-excerpt.ts'
import { NetlinkError } from '../wire/errors.ts'

/** The queues in use, of those that were allocated when the link was made. */
export interface Queues {
  readonly rx: number
  readonly tx: number
  readonly evidence: string
}

type Allocated = Pick<LinkExcerpt, 'numRxQueues' | 'numTxQueues'>

/** The link tells only how many were allocated: where that is one of each, there is nothing to ask. */
export function mayHaveSeveral({ numRxQueues, numTxQueues }: Allocated): boolean {
  return numRxQueues > 1 || numTxQueues > 1
}

/** channels: takes what ETHTOOL_MSG_CHANNELS_GET was answered; called where there may be several. */
export function queuesTold(link: Allocated, channels: () => Channels): Queues {
  const allocated = { rx: link.numRxQueues, tx: link.numTxQueues }
  if (!mayHaveSeveral(link)) {
    return { ...allocated, evidence: 'RTM_GETLINK: no more than one of each is allocated' }
  }
  try {
    const { rx, tx, combined } = channels()
    return { rx: rx + combined, tx: tx + combined, evidence: 'ETHTOOL_MSG_CHANNELS_GET' }
  } catch (error) {
    // A veth before channels: all that are allocated are in use.
    if (!(error instanceof NetlinkError && error.code === 'EOPNOTSUPP')) throw error
    return { ...allocated, evidence: 'RTM_GETLINK: as allocated, which this kernel does not let be changed' }
  }
}
