/** Addresses set aside for benchmarks: RFC 2544, 198.18.0.0/15. */
const [SOURCE_IP, DESTINATION_IP] = [0xc612_0001, 0xc612_0002]
/** Locally administered, so that no adapter has it. */
const SOURCE_MAC = [0x02, 0x76, 0x65, 0x74, 0x68, 0x6e]
/** Where nobody answers: RFC 863. */
const DISCARD_PORT = 9
const ETH = { type: 12, size: 14 } as const
const IP = { size: 20, protocol: 9, checksum: 10, source: 12, destination: 16 } as const
const ETH_P_IP = 0x0800
const IPPROTO_UDP = 17

/**
 * A UDP datagram as pktgen sends it too, to an address that is the NIC's, not the peer's: the stack behind the peer
 * takes it for another host's (PACKET_OTHERHOST) and drops it at the door of ip_rcv(), so that what is measured ends
 * there. size: bytes without the frame's checksum. flow: another source port, for another queue of a NIC.
 */
export function udpFrame(size: number, destination: Uint8Array, flow = 0): Uint8Array {
  const frame = new Uint8Array(size)
  const view = new DataView(frame.buffer)
  frame.set(destination)
  frame.set(SOURCE_MAC, 6)
  view.setUint16(ETH.type, ETH_P_IP)
  const ip = ETH.size
  frame[ip] = 0x45
  view.setUint16(ip + 2, size - ip)
  frame[ip + 8] = 32 // hops
  frame[ip + IP.protocol] = IPPROTO_UDP
  view.setUint32(ip + IP.source, SOURCE_IP)
  view.setUint32(ip + IP.destination, DESTINATION_IP)
  view.setUint16(ip + IP.checksum, checksum(view, ip, IP.size))
  const udp = ip + IP.size
  view.setUint16(udp, DISCARD_PORT + flow)
  view.setUint16(udp + 2, DISCARD_PORT)
  view.setUint16(udp + 4, size - udp) // its checksum 0: none
  return frame
}

/** RFC 1071. */
function checksum(view: DataView, at: number, length: number): number {
  let sum = 0
  for (let i = 0; i < length; i += 2) sum += view.getUint16(at + i)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}
