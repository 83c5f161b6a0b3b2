/** Bytes of an Ethernet header, and of one VLAN tag beyond it. */
export const ETH_HLEN = 14
const VLAN_HLEN = 4

/**
 * The longest frame, in bytes without the checksum, that a device of this MTU takes from a redirect.
 * Source: xdp_ok_fwd_dev(), include/linux/filter.h; veth_xdp_xmit(), drivers/net/veth.c.
 */
export function longestFrame(mtu: number): number {
  return mtu + ETH_HLEN + VLAN_HLEN
}

/** ARPHRD_ETHER, ARPHRD_LOOPBACK. Source: include/uapi/linux/if_arp.h. */
const WITH_ETHERNET_HEADER = [1, 772]

/** The same for a device of any ifi_type: null where its header's length is not told, beyond what it takes without one. */
export function takesFrame(frameSize: number, { mtu, type }: { mtu: number; type: number }): boolean | null {
  if (WITH_ETHERNET_HEADER.includes(type)) return frameSize <= longestFrame(mtu)
  return frameSize <= mtu + VLAN_HLEN ? true : null
}
