import { netnsLabel } from '../wire/netns.ts'
import type { PeerFacts, RedirectFacts, TargetFacts } from './facts.ts'
import { groStartsNapi, hasGenericProgram, hasNativeProgram, isSince } from './napi-rule.ts'
import type { VethEnd } from './peer.ts'
import { inNetns } from './shell-command.ts'
import type { Losing } from './step.ts'
import { type CheckName, type Repair, type RepairAction, TO_BE_ALLOWED } from './verdict.ts'

/** What can be mended here. Frames that are too long, and the side on which the program runs, are not ours to change. */
const MENDABLE: readonly CheckName[] = [
  'target up',
  'takes redirects',
  'takes fragments',
  'peer up',
  'peer NAPI',
  'peer wakes',
]

/**
 * The steps that make a frame arrive, in order; none where no known step would. An end is brought up before anything
 * else: on 6.12 and 6.18 GRO switched on while the peer is down starts NAPI with the target's ndo-xmit bit left behind.
 */
export function repairsFor(facts: RedirectFacts, losing: readonly Losing[]): Repair[] {
  const { target, peer, way } = facts
  if (target === null || peer === null || peer.netns === null || target.link.kind !== 'veth') return []
  const names = losing.map(({ check }) => check.name)
  if (names.some(name => !MENDABLE.includes(name))) return []
  const ends = new Ends(facts, target, peer.netns, peer)
  const steps: Repair[] = []
  if (names.includes('target up')) steps.push(ends.link('target up', 'target', 'up'))
  if (names.includes('peer up')) steps.push(ends.link('peer up', 'peer', 'up'))
  const wantsNapi = names.some(name => name !== 'target up' && name !== 'peer up')
  if (!wantsNapi) return steps
  const further = way.via === 'tx' || !groStartsNapi(facts.release) ? program(ends) : napi(ends, names)
  return further === null ? [] : [...steps, ...further]
}

/** By GRO, or what else makes the driver look at its state again. null: nothing known would help. */
function napi(ends: Ends, names: readonly CheckName[]): Repair[] | null {
  const { target, peer } = ends
  const bitMissing = names.includes('takes redirects') || names.includes('takes fragments')
  const tooFewQueues = (peer.queues?.tx ?? 0) > (target.queues?.rx ?? Number.POSITIVE_INFINITY)
  const program = hasNativeProgram(peer.link)
  if (!program && peer.gro?.wanted === false) return [ends.gro('gro on')]
  // With GRO wanted, or a program, the end that comes up gets NAPI, and the target that does gets its bit.
  if (!peer.link.up || (bitMissing && !target.link.up)) return []
  if (bitMissing && tooFewQueues) return [ends.channels()]
  // Switching GRO is nothing to a driver that runs a program.
  return program ? [ends.downAndUp()] : [ends.gro('gro off and on')]
}

/** A native program on the peer, which must have room for one. */
function program(ends: Ends): Repair[] | null {
  const { peer, target, facts } = ends
  if (hasNativeProgram(peer.link)) return peer.link.up ? null : []
  if (hasGenericProgram(peer.link)) return null
  const fits = target.link.mtu <= LONGEST_MTU_WITHOUT_FRAGMENTS || isSince(facts.release, 5, 18)
  return fits ? [ends.nativeProgram()] : null
}

/** The MTU of the other end up to which a program without fragments can be attached. Source: veth_xdp_set(), x86. */
export const LONGEST_MTU_WITHOUT_FRAGMENTS = 3506

/** Writes each step down, for people and for repairRedirect(). */
class Ends {
  readonly facts: RedirectFacts
  readonly target: TargetFacts
  readonly peer: PeerFacts
  readonly #peerEnd: VethEnd

  constructor(facts: RedirectFacts, target: TargetFacts, peerNetns: VethEnd['netns'], peer: PeerFacts) {
    this.facts = facts
    this.target = target
    this.peer = peer
    this.#peerEnd = { netns: peerNetns, link: peer.link }
  }

  link(action: 'target up' | 'peer up', end: Repair['end'], state: 'up'): Repair {
    return this.#repair(action, end, [this.#ip(end, state)])
  }

  gro(action: 'gro on' | 'gro off and on'): Repair {
    const states = action === 'gro on' ? ['on'] : ['off', 'on']
    const { name } = this.peer.link
    return this.#repair(
      action,
      'peer',
      states.map(state => ['ethtool', '-K', name, 'gro', state]),
    )
  }

  /** More receive queues at the target where it has them, else fewer to send on at the peer. */
  channels(): Repair {
    const rx = this.peer.queues?.tx ?? 1
    const tx = this.target.queues?.rx ?? 1
    return rx <= this.target.link.numRxQueues
      ? this.#repair('set channels', 'target', [['ethtool', '-L', this.target.link.name, 'rx', `${rx}`]], {
          rx,
        })
      : this.#repair('set channels', 'peer', [['ethtool', '-L', this.peer.link.name, 'tx', `${tx}`]], { tx })
  }

  nativeProgram(): Repair {
    const name = JSON.stringify(this.peer.link.name)
    const script = `import { device, xdpPass } from "veth-nl/sync"; device(${name}).attachXdp(xdpPass())`
    return this.#repair('native program', 'peer', [['node', '--input-type=module', '-e', script]])
  }

  downAndUp(): Repair {
    const commands = [this.#ip('target', 'down'), this.#ip('target', 'up')]
    return this.#repair('target down and up', 'target', commands)
  }

  #ip(end: Repair['end'], state: 'up' | 'down'): string[] {
    return ['ip', 'link', 'set', 'dev', this.#end(end).link.name, state]
  }

  #end(end: Repair['end']): VethEnd {
    return end === 'target' ? this.target : this.#peerEnd
  }

  #repair(
    action: RepairAction,
    end: Repair['end'],
    commands: readonly string[][],
    channels: Repair['channels'] = null,
  ): Repair {
    const { netns, link } = this.#end(end)
    return {
      action,
      end,
      device: link.name,
      netns: netnsLabel(netns),
      command: commands.map(words => inNetns(netns, words, this.facts.pid)).join('; '),
      mustBeAllowed: TO_BE_ALLOWED.some(one => one === action),
      channels,
    }
  }
}
