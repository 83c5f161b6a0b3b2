import { netnsLabel } from '../wire/netns.ts'
import type { PeerFacts, RedirectFacts } from './facts.ts'
import { groStartsNapi } from './napi-rule.ts'
import { inNetns } from './shell-command.ts'
import type { Check, Repair } from './verdict.ts'

/**
 * The steps that undo the failing checks. An end is brought up before GRO is touched: on 6.12 and 6.18 GRO
 * switched on while the peer is down starts NAPI with the target's ndo-xmit bit left behind.
 */
export function repairsFor(
  facts: RedirectFacts,
  peer: PeerFacts,
  failing: readonly Check['name'][],
): Repair[] {
  const { target, pid, release } = facts
  const onTarget = { device: target.link.name, netns: netnsLabel(target.netns) }
  const onPeer = { device: peer.link.name, netns: netnsLabel(peer.netns) }
  const repairs: Repair[] = []
  if (failing.includes('target up')) {
    const command = inNetns(target.netns, `ip link set dev ${target.link.name} up`, pid)
    repairs.push({ action: 'target up', ...onTarget, command })
  }
  if (failing.includes('peer up')) {
    const command = inNetns(peer.netns, `ip link set dev ${peer.link.name} up`, pid)
    repairs.push({ action: 'peer up', ...onPeer, command })
  }
  if (groStartsNapi(release) && (failing.includes('peer NAPI') || failing.includes('takes redirects'))) {
    const on = inNetns(peer.netns, `ethtool -K ${peer.link.name} gro on`, pid)
    if (!peer.gro.wanted) repairs.push({ action: 'gro on', ...onPeer, command: on })
    else if (failing.includes('takes redirects')) {
      // Wanted already, so that asking again would do nothing at all.
      const off = inNetns(peer.netns, `ethtool -K ${peer.link.name} gro off`, pid)
      repairs.push({ action: 'gro off and on', ...onPeer, command: `${off}; ${on}` })
    }
  }
  return repairs
}
