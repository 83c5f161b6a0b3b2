/** Netlink's own numbers. Source: include/uapi/linux/netlink.h. */

export const NETLINK_ROUTE = 0
export const NETLINK_GENERIC = 16

/** struct nlmsghdr: u32 len, u16 type, u16 flags, u32 seq, u32 pid. */
export const NLMSG_HDRLEN = 16
export const NLMSG = { NOOP: 1, ERROR: 2, DONE: 3, OVERRUN: 4 } as const

export const NLM_F = {
  REQUEST: 0x01,
  MULTI: 0x02,
  ACK: 0x04,
  DUMP_INTR: 0x10,
  DUMP_FILTERED: 0x20,
  /** For GET requests: NLM_F_ROOT | NLM_F_MATCH. */
  DUMP: 0x300,
  /** For NEW requests. */
  EXCL: 0x200,
  CREATE: 0x400,
  /** On an error: the request is not repeated in it. */
  CAPPED: 0x100,
  /** On an error or DONE: attributes follow. */
  ACK_TLVS: 0x200,
} as const

/** Attributes of an error or DONE message. */
export const NLMSGERR_ATTR = { MSG: 1, OFFS: 2, COOKIE: 3, POLICY: 4, MISS_TYPE: 5, MISS_NEST: 6 } as const

/** struct nlattr: u16 len, u16 type; payload padded to four bytes. */
export const NLA_HDRLEN = 4
export const NLA_F_NESTED = 0x8000
export const NLA_TYPE_MASK = 0x3fff

/** Netlink aligns messages and attributes to four bytes. */
export function align4(length: number): number {
  return (length + 3) & ~3
}

/** Netlink is in the machine's own byte order: true on the little-endian ones. */
export const LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1
