import {
  bytes,
  decodeAttributes,
  dump,
  Message,
  NETLINK_ROUTE,
  NLM_F,
  NO_UNKNOWN,
  PromiseKernel,
  run,
  table,
  u32,
} from '../../src/codec.ts'
import type { Netns } from '../../src/index.ts'

/** Source: include/uapi/linux/rtnetlink.h, include/uapi/linux/if_addr.h. */
const RTM_GETADDR = 22
const IFA = { ADDRESS: 1, LOCAL: 2 } as const
/** struct ifaddrmsg: u8 family, u8 prefixlen, u8 flags, u8 scope, u32 index. */
const IFADDRMSG_SIZE = 8
const INDEX_AT = 4
const EMPTY = new Uint8Array()

class Address {
  unknown = NO_UNKNOWN
  address: Uint8Array = EMPTY
  /** Where that one is the other end's. */
  local: Uint8Array = EMPTY
}
const ADDRESS = table<Address>([
  [IFA.ADDRESS, 'address', bytes],
  [IFA.LOCAL, 'local', bytes],
])

/** An address of one of the namespace's devices. */
export interface DeviceAddress {
  readonly index: number
  /** As addressText() writes it. */
  readonly address: string
}

/** The IPv4 and IPv6 addresses of a namespace's devices; one with a label ('eth0:1') is its device's like any other. */
export async function listAddresses(netns: Netns): Promise<DeviceAddress[]> {
  const subject = { message: 'RTM_GETADDR', netns, device: '', writes: false }
  const layout = { header: IFADDRMSG_SIZE, table: ADDRESS }
  const message = new Message(subject, NETLINK_ROUTE, RTM_GETADDR, NLM_F.DUMP, layout)
  message.zeros(IFADDRMSG_SIZE)
  return (await run(dump(message, decodeAddress), new PromiseKernel())).filter(found => found !== null)
}

/** null: of another family. */
function decodeAddress(view: DataView, at: number, end: number): DeviceAddress | null {
  const { local, address } = decodeAttributes(view, at + IFADDRMSG_SIZE, end, ADDRESS, new Address())
  const own = local.length > 0 ? local : address
  if (own.length !== 4 && own.length !== 16) return null
  return { index: u32.read(view, at + INDEX_AT, 4), address: addressText(own) }
}

/** '192.0.2.2', '2001:db8::1'; 4 or 16 bytes. An IPv4 address that is written as an IPv6 one is that IPv4 address. */
export function addressText(address: Uint8Array): string {
  const hex = Buffer.from(address).toString('hex')
  if (address.length === 4 || /^0{20}ffff/.test(hex)) return address.subarray(-4).join('.')
  return new URL(`http://[${hex.match(/.{4}/g)!.join(':')}]`).hostname.slice(1, -1)
}
