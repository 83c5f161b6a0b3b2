/** One timed run of a case: counters' differences over the run. */
export interface Sample {
  /** Frames that the generator says it sent. */
  readonly sent: number
  /** Frames that the NIC received (its own rx counter). */
  readonly received: number
  /** Frames that the target's peer received (rx_packets), whatever a program on it then did with them. */
  readonly delivered: number
  /** Wall clock of the run, from the first frame until counters stood still. */
  readonly nanoseconds: number
  /** CPU time in the kernel (system + softirq + irq of all CPUs, /proc/stat) over the run. */
  readonly kernelNanoseconds: number
  /** Where frames were lost and how many, by netlink's counters: 'veth_xxx0 tx_dropped', 'nic0 rx_dropped', or by none of them. */
  readonly drops: readonly { readonly where: string; readonly frames: number }[]
}
/** What is known of a case beside its samples. */
export interface Explained {
  /** explainRedirect()'s answer for this case; null where it delivers. */
  readonly reason: { readonly code: string | null; readonly summary: string } | null
}
