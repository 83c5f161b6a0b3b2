/** How the peer of the target is set up. */
export type PeerState = 'plain' | 'gro' | 'pass' | 'drop'
/** One cell of the matrix. */
export interface Case {
  readonly mode: 'native' | 'generic'
  readonly peer: PeerState
  /**
   * Bytes of a frame without its checksum; 64, 512, 1500 are Ethernet sizes without FCS as pktgen's pkt_size counts them.
   * 0: as another machine sends them.
   */
  readonly size: number
  readonly via: 'bpf_redirect' | 'devmap'
  /** CPUs that send; in private namespaces they redirect as well. 0: another machine's send. */
  readonly cores: number
}
