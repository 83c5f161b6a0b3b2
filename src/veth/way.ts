import { checkChoice, checkOptions, quote } from '../wire/check-options.ts'

/** Which way a frame takes into or out of a device. */
export interface Way {
  /**
   * 'redirect': bpf_redirect(), or bpf_redirect_map() with a devmap, names the device. 'broadcast': the device is one
   * of a devmap to which BPF_F_BROADCAST sends (Linux 5.13). 'tx': a program on the device itself returns XDP_TX.
   */
  readonly via: 'redirect' | 'broadcast' | 'tx'
  /** The mode in which the program runs that does it. */
  readonly mode: 'native' | 'generic'
  /** The frame's length in bytes, without its checksum. */
  readonly frameSize: number
  /** The frame lies in several buffers, as those beyond a page do (Linux 5.18). In generic mode it makes no difference. */
  readonly multiBuffer: boolean
}

export interface ExplainOptions extends Partial<Omit<Way, 'mode'>> {
  /** From 14 to 65517 bytes; 64 when left out. */
  readonly frameSize?: number
  /** When left out: whether the frame is longer than what fits a page of 4096 bytes with all that belongs to it. */
  readonly multiBuffer?: boolean
  /** When left out: that of the program on `from`, or with via 'tx' on the device; 'native' where there is none. */
  readonly mode?: Way['mode']
  /** The device whose program redirects, by name or index, in the target's namespace: its side is judged too. */
  readonly from?: string | number
}

export const SHORT_FRAME = 64
/** An Ethernet header; and what with a VLAN tag is still within the longest MTU. */
export const SHORTEST_FRAME = 14
export const LONGEST_FRAME = 0xffff - 18
/** Beyond it a veth's native program gets a frame in several buffers. Source: veth_convert_skb_to_xdp_buff(), 4 KiB pages. */
export const LONGEST_IN_ONE_BUFFER = 3500
export const EXPLAIN_OPTIONS = ['via', 'mode', 'frameSize', 'multiBuffer', 'from'] as const

/** @throws TypeError or RangeError for what cannot be meant. */
export function checkExplainOptions(
  what: string,
  options: ExplainOptions,
  more: readonly string[] = [],
): void {
  checkOptions(what, options, more.length === 0 ? EXPLAIN_OPTIONS : [...EXPLAIN_OPTIONS, ...more])
  const { via, mode, frameSize, multiBuffer, from } = options
  if (via !== undefined) checkChoice('via', via, ['redirect', 'broadcast', 'tx'])
  if (mode !== undefined) checkChoice('mode', mode, ['native', 'generic'])
  const isLength = Number.isInteger(frameSize) && frameSize! >= SHORTEST_FRAME && frameSize! <= LONGEST_FRAME
  if (frameSize !== undefined && !isLength) {
    throw new RangeError(
      `frameSize must be a number of bytes from ${SHORTEST_FRAME} to ${LONGEST_FRAME}, not ${quote(frameSize)}`,
    )
  }
  if (multiBuffer !== undefined && typeof multiBuffer !== 'boolean') {
    throw new TypeError(`multiBuffer must be true or false, not ${quote(multiBuffer)}`)
  }
  if (via === 'tx' && from !== undefined) {
    throw new TypeError("with via 'tx' the program is on the device itself: from has no place there")
  }
}
