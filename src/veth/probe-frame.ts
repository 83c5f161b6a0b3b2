/** Local Experimental Ethertype 1. Source: IEEE 802, registered for use within one's own network. */
export const ETH_P_EXPERIMENTAL = 0x88b5

/** Locally administered, so that no adapter has it. */
const SOURCE = [0x02, 0x76, 0x65, 0x74, 0x68, 0x6e]

/** An Ethernet frame of that many bytes, checksum not counted, that no protocol stack acts on. */
export function probeFrame(destination: string, size: number): Uint8Array {
  const frame = new Uint8Array(size)
  frame.set(destination.split(':').map(byte => Number.parseInt(byte, 16)))
  frame.set(SOURCE, 6)
  new DataView(frame.buffer).setUint16(12, ETH_P_EXPERIMENTAL)
  return frame
}
