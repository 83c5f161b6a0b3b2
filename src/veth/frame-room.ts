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
