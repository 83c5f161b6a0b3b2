/** Message types of rtnetlink. Source: include/uapi/linux/rtnetlink.h. */
export const RTM = {
  NEWLINK: 16,
  DELLINK: 17,
  GETLINK: 18,
  SETLINK: 19,
  NEWNSID: 88,
  DELNSID: 89,
  GETNSID: 90,
} as const

/** Attributes of a link. Source: include/uapi/linux/if_link.h. */
export const IFLA = {
  ADDRESS: 1,
  BROADCAST: 2,
  IFNAME: 3,
  MTU: 4,
  LINK: 5,
  QDISC: 6,
  STATS: 7,
  MASTER: 10,
  TXQLEN: 13,
  MAP: 14,
  OPERSTATE: 16,
  LINKMODE: 17,
  LINKINFO: 18,
  IFALIAS: 20,
  NUM_VF: 21,
  VFINFO_LIST: 22,
  STATS64: 23,
  VF_PORTS: 24,
  AF_SPEC: 26,
  GROUP: 27,
  NET_NS_FD: 28,
  EXT_MASK: 29,
  PROMISCUITY: 30,
  NUM_TX_QUEUES: 31,
  NUM_RX_QUEUES: 32,
  CARRIER: 33,
  CARRIER_CHANGES: 35,
  PHYS_PORT_ID: 34,
  PHYS_SWITCH_ID: 36,
  LINK_NETNSID: 37,
  PHYS_PORT_NAME: 38,
  PROTO_DOWN: 39,
  GSO_MAX_SEGS: 40,
  GSO_MAX_SIZE: 41,
  XDP: 43,
  EVENT: 44,
  NEW_NETNSID: 45,
  TARGET_NETNSID: 46,
  CARRIER_UP_COUNT: 47,
  CARRIER_DOWN_COUNT: 48,
  NEW_IFINDEX: 49,
  MIN_MTU: 50,
  MAX_MTU: 51,
  PROP_LIST: 52,
  ALT_IFNAME: 53,
  PERM_ADDRESS: 54,
  PARENT_DEV_NAME: 56,
  PARENT_DEV_BUS_NAME: 57,
  GRO_MAX_SIZE: 58,
  TSO_MAX_SIZE: 59,
  TSO_MAX_SEGS: 60,
  ALLMULTI: 61,
  DEVLINK_PORT: 62,
  GSO_IPV4_MAX_SIZE: 63,
  GRO_IPV4_MAX_SIZE: 64,
  DPLL_PIN: 65,
  MAX_PACING_OFFLOAD_HORIZON: 66,
  NETNS_IMMUTABLE: 67,
  HEADROOM: 68,
  TAILROOM: 69,
} as const

export const IFLA_INFO = { KIND: 1, DATA: 2, XSTATS: 3, SLAVE_KIND: 4, SLAVE_DATA: 5 } as const

/** Of a bridge (IFLA_INFO_DATA) and of its ports (IFLA_INFO_SLAVE_DATA): timers, and what it counts of frames. */
export const IFLA_BR = {
  HELLO_TIMER: 16,
  TCN_TIMER: 17,
  TOPOLOGY_CHANGE_TIMER: 18,
  GC_TIMER: 19,
  MCAST_QUERIER_STATE: 47,
  FDB_N_LEARNED: 48,
} as const
export const IFLA_BRPORT = {
  MESSAGE_AGE_TIMER: 21,
  FORWARD_DELAY_TIMER: 22,
  HOLD_TIMER: 23,
  MCAST_EHT_HOSTS_CNT: 38,
  MCAST_N_GROUPS: 41,
} as const

/** Multicast groups. Source: enum rtnetlink_groups, include/uapi/linux/rtnetlink.h. */
export const RTNLGRP = { LINK: 1, NSID: 28 } as const

/** Bits of IFLA_EXT_MASK: what an answer is to hold, or to leave out. Source: include/uapi/linux/rtnetlink.h. */
export const RTEXT_FILTER = { SKIP_STATS: 1 << 3 } as const

/** Bits of ifi_flags. Source: include/uapi/linux/if.h. */
export const IFF = { UP: 1 << 0, RUNNING: 1 << 6, LOWER_UP: 1 << 16 } as const

/** struct ifinfomsg: u8 family, u8 pad, u16 type, s32 index, u32 flags, u32 change. */
export const IFINFOMSG_SIZE = 16
