import { netnsLabel } from '../wire/netns.ts'
import type { PeerFacts, RedirectFacts } from './facts.ts'
import { groStartsNapi, hasNativeProgram } from './napi-rule.ts'
import { inNetns } from './shell-command.ts'
import type { Check, Repair } from './verdict.ts'

/**
 * The steps that undo the failing checks, in order: an end is brought up before GRO is touched, since on 6.12 and
 * 6.18 GRO switched on while the peer is down starts NAPI with the target's ndo-xmit bit left behind. None where no
 * known step would make it deliver.
 */
export function repairsFor(
  facts: RedirectFacts,
  peer: PeerFacts,
  failing: readonly Check['name'][],
): Repair[] {
  const { target, release, pid } = facts
  // Nothing is changed for frames that are too long all the same.
  if (failing.includes('frame fits target') || failing.includes('frame fits peer')) return []
  const wantsNapi = failing.includes('peer NAPI') || failing.includes('takes redirects')
  const hasProgram = hasNativeProgram(peer.link)
  // With a program the driver leaves NAPI alone when GRO is switched: only coming up can help then.
  if (wantsNapi && (hasProgram ? peer.link.up && target.link.up : !groStartsNapi(release))) return []

  const onTarget = { device: target.link.name, netns: netnsLabel(target.netns) }
  const onPeer = { device: peer.link.name, netns: netnsLabel(peer.netns) }
  const ethtool = (state: string) => inNetns(peer.netns, ['ethtool', '-K', peer.link.name, 'gro', state], pid)
  const repairs: Repair[] = []
  if (failing.includes('target up')) {
    const command = inNetns(target.netns, ['ip', 'link', 'set', 'dev', target.link.name, 'up'], pid)
    repairs.push({ action: 'target up', ...onTarget, command })
  }
  if (failing.includes('peer up')) {
    const command = inNetns(peer.netns, ['ip', 'link', 'set', 'dev', peer.link.name, 'up'], pid)
    repairs.push({ action: 'peer up', ...onPeer, command })
  }
  if (wantsNapi && !hasProgram && !peer.gro.wanted) {
    repairs.push({ action: 'gro on', ...onPeer, command: ethtool('on') })
  } else if (failing.includes('takes redirects') && !hasProgram && target.link.up) {
    // Wanted already, so that asking again would do nothing at all. Coming up, the target gets the bit by itself.
    repairs.push({ action: 'gro off and on', ...onPeer, command: `${ethtool('off')}; ${ethtool('on')}` })
  }
  return repairs
}
