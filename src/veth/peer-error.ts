import type { Link } from '../rtnetlink/link.ts'
import { type DeviceRef, deviceLabel, printable } from '../wire/device-ref.ts'
import { type Netns, netnsLabel } from '../wire/netns.ts'
import type { OutOfReach } from './peer.ts'

/** Why a device has no veth peer to show. */
export class PeerError extends Error {
  override name = 'PeerError'
  /** NOT_VETH: it is something else. UNREACHABLE: the peer's namespace cannot be found or entered from here. */
  readonly code: 'ERR_VETH_NL_NOT_VETH' | 'ERR_VETH_NL_PEER_UNREACHABLE'
  readonly device: string
  readonly netns: Netns
  /** Of a peer that cannot be reached: its link as seen from this end's namespace, where the kernel tells it. */
  readonly peer: Link | null
  /** Of a peer that cannot be reached: its namespace, where that is known and only entering it is refused. */
  readonly peerNetns: Netns | null

  constructor(
    code: PeerError['code'],
    ref: DeviceRef,
    message: string,
    peer: Link | null = null,
    peerNetns: Netns | null = null,
  ) {
    super(message)
    this.code = code
    this.device = deviceLabel(ref)
    this.netns = ref.netns
    this.peer = peer
    this.peerNetns = peerNetns
  }
}

export function notVeth(ref: DeviceRef, { name, kind }: Link): PeerError {
  const what = kind === '' ? '' : ` but of kind '${kind}'`
  const message = `${printable(name)} in ${netnsLabel(ref.netns)} is not a veth${what}`
  return new PeerError('ERR_VETH_NL_NOT_VETH', ref, message)
}

export function unreachable(
  ref: DeviceRef,
  { link, linkNetnsId }: Link,
  known: Link | null,
  netns: Netns | null,
  why: OutOfReach,
): PeerError {
  const where =
    linkNetnsId === null ? '' : ` in the namespace that ${netnsLabel(ref.netns)} knows as id ${linkNetnsId}`
  const peer =
    known === null
      ? `index ${link}${where}`
      : `'${printable(known.name)}' (index ${known.index}, ${known.up ? 'up' : 'down'}, mtu ${known.mtu})`
  const reason = {
    'not found':
      'no name, no process and no thread that may be looked at leads to its namespace; root may see more, and whoever holds it can ask there with { netns }',
    refused: `${netns === null ? 'its namespace' : netnsLabel(netns)} cannot be entered; it needs CAP_SYS_ADMIN over it`,
    moving:
      'it was not where it had just been, each time that it was looked for: it is being moved or deleted',
  }[why]
  const message = `the peer of ${deviceLabel(ref)}, ${peer}, is out of reach: ${reason}`
  return new PeerError('ERR_VETH_NL_PEER_UNREACHABLE', ref, message, known, netns)
}
