import type { Link } from '../../src/rtnetlink/link.ts'
import type { LinkChange } from '../../src/rtnetlink/link-change.ts'
import { getLink, newLink } from '../../src/rtnetlink/link-operations.ts'
import type { Netns } from '../../src/wire/netns.ts'
import { real } from './real.ts'

/** Makes the veth pair va and vb, both with `ends`, and returns va. */
export function vethIn(netns: Netns, ends: Partial<LinkChange> = {}): Link {
  const peer = { ...ends, name: 'vb' }
  real(newLink(netns, { ...ends, name: 'va', linkinfo: { kind: 'veth', data: { peer } } }))
  return real(getLink({ netns, device: 'va' }))
}
