import { netnsLabel } from '../wire/netns.ts'
import type { PeerFacts, RedirectFacts, TargetFacts } from './facts.ts'
import { groStartsNapi, hasGenericProgram, hasNativeProgram, isSince } from './napi-rule.ts'
import type { VethEnd } from './peer.ts'
import { inNetns, quoted } from './shell-command.ts'
import type { Losing } from './step.ts'
import { type CheckName, type Repair, type RepairAction, TO_BE_ALLOWED } from './verdict.ts'

/** What would make the frame arrive: steps, in order, or why there are none. */
export interface Plan {
  readonly steps: readonly Repair[]
  /** '' where there are steps. */
  readonly none: string
}

/**
 * All that is needed from here to the frame's arrival. An end is brought up before anything else: until 7.3 GRO
 * switched on while the peer is down starts NAPI with the target's ndo-xmit bit left behind.
 */
export function planRepairs(facts: RedirectFacts, losing: readonly Losing[]): Plan {
  const { target, peer, way } = facts
  const names = losing.map(({ check }) => check.name)
  const hopeless = names.map(name => BEYOND_REPAIR[name]).find(why => why !== undefined)
  if (hopeless !== undefined) return { steps: [], none: hopeless }
  if (target === null || target.link.kind !== 'veth') return { steps: [], none: NOT_OURS }
  if (peer === null || peer.netns === null) {
    return { steps: [], none: 'what is wrong at its peer is to be changed there, out of reach' }
  }
  const ends = new Ends(facts, target, peer.netns, peer)
  const steps: Repair[] = []
  if (names.includes('target up')) steps.push(ends.link('target up', 'target', 'up'))
  if (names.includes('peer up')) steps.push(ends.link('peer up', 'peer', 'up'))
  if (!names.some(name => NAPI.includes(name)) && !losesBits(ends)) return { steps, none: '' }
  const further = way.via === 'tx' || !groStartsNapi(facts.release) ? byProgram(ends) : byGro(ends, names)
  return typeof further === 'string'
    ? { steps: [], none: further }
    : { steps: [...steps, ...further], none: '' }
}

const NAPI: readonly CheckName[] = ['takes redirects', 'takes fragments', 'peer NAPI', 'peer wakes']
const NOT_OURS = 'what its driver does is not changed here'
const TOO_LONG = 'the frame is too long, and MTUs are not changed here'
const ELSEWHERE = 'the side on which the program runs is not changed here'
const BEYOND_REPAIR: { readonly [name in CheckName]?: string } = {
  target: 'there is nothing to change',
  driver: NOT_OURS,
  'frame fits target': TOO_LONG,
  'frame fits peer': TOO_LONG,
  from: ELSEWHERE,
  'from up': ELSEWHERE,
  'from runs native programs': ELSEWHERE,
  'peer reached': 'what is wrong at its peer is to be changed there, out of reach',
}

/** By GRO, or by what else makes the driver look at its state again. */
function byGro(ends: Ends, names: readonly CheckName[]): readonly Repair[] {
  const { facts, target, peer } = ends
  const program = hasNativeProgram(peer.link)
  if (!program && peer.gro?.wanted === false) return [ends.gro('gro on')]
  // With GRO wanted, or a program, a peer that comes up has NAPI; what is left is the bit.
  const bitMissing = names.includes('takes redirects') || names.includes('takes fragments')
  if (losesBits(ends) || (bitMissing && sendsOnTooMany(ends))) return [ends.channels()]
  if (!bitMissing) return peer.link.up ? [ends.gro('gro off and on')] : []
  if (!target.link.up) return []
  if (!peer.link.up && comesUpForBoth(facts.release)) return []
  // Switching GRO is nothing to a driver that runs a program.
  return program ? [ends.downAndUp()] : [ends.gro('gro off and on')]
}

/** Bits that are there, left over from when there were fewer queues, until an end comes up. Source: veth_open(). */
function losesBits(ends: Ends): boolean {
  const { facts, target, peer } = ends
  const looksAgain = !target.link.up || (!peer.link.up && comesUpForBoth(facts.release))
  return target.xdpFeatures !== null && looksAgain && sendsOnTooMany(ends)
}

/** Source: veth_set_xdp_features(). */
function sendsOnTooMany({ target, peer }: Ends): boolean {
  return target.queues !== null && peer.queues !== null && peer.queues.tx > target.queues.rx
}

/** Whether veth_open() computes the other end's bits too: commit 3f090039995f. Elsewhere it does no harm not to know. */
function comesUpForBoth(release: string): boolean {
  const [major = 0, minor = 0, patch = 0] = release.split(/[.+-]/).map(Number)
  return (
    isSince(release, 7, 3) ||
    (major === 7 && minor === 2 && patch >= 11) ||
    (major === 6 && minor === 12 && patch >= 113)
  )
}

/** A native program on the peer, which must have room for one. Once it is up, the one it has is enough. */
function byProgram(ends: Ends): readonly Repair[] | string {
  const { peer, target, facts } = ends
  if (hasNativeProgram(peer.link)) {
    return peer.link.up ? 'its peer has a native program, and yet no NAPI: nothing known helps' : []
  }
  if (hasGenericProgram(peer.link)) {
    return `its peer needs a native program, and has a generic one (id ${peer.link.xdp?.genericProgramId}): detach that first`
  }
  if (target.link.mtu > LONGEST_MTU_WITHOUT_FRAGMENTS && !isSince(facts.release, 5, 18)) {
    return `its peer needs a native program, which the target's mtu of ${target.link.mtu} keeps out: at most ${LONGEST_MTU_WITHOUT_FRAGMENTS}`
  }
  return [ends.nativeProgram()]
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
    const name = quoted(this.peer.link.name)
    return this.#repair(
      action,
      'peer',
      states.map(state => `ethtool -K ${name} gro ${state}`),
    )
  }

  /** More receive queues at the target where it has them, else fewer to send on at the peer. */
  channels(): Repair {
    const rx = this.peer.queues?.tx ?? 1
    const tx = this.target.queues?.rx ?? 1
    return rx <= this.target.link.numRxQueues
      ? this.#repair('set channels', 'target', [`ethtool -L ${quoted(this.target.link.name)} rx ${rx}`], {
          rx,
        })
      : this.#repair('set channels', 'peer', [`ethtool -L ${quoted(this.peer.link.name)} tx ${tx}`], { tx })
  }

  nativeProgram(): Repair {
    const name = JSON.stringify(this.peer.link.name)
    const script = `import { device, xdpPass } from "veth-nl/sync"; device(${name}).attachXdp(xdpPass())`
    return this.#repair('native program', 'peer', [`node --input-type=module -e ${quoted(script)}`])
  }

  downAndUp(): Repair {
    const commands = [this.#ip('target', 'down'), this.#ip('target', 'up')]
    return this.#repair('target down and up', 'target', commands)
  }

  #ip(end: Repair['end'], state: 'up' | 'down'): string {
    return `ip link set dev ${quoted(this.#end(end).link.name)} ${state}`
  }

  #end(end: Repair['end']): VethEnd {
    return end === 'target' ? this.target : this.#peerEnd
  }

  #repair(
    action: RepairAction,
    end: Repair['end'],
    commands: readonly string[],
    channels: Repair['channels'] = null,
  ): Repair {
    const { netns, link } = this.#end(end)
    return {
      action,
      end,
      device: link.name,
      netns: netnsLabel(netns),
      command: commands.map(command => inNetns(netns, command, this.facts.pid)).join('; '),
      mustBeAllowed: TO_BE_ALLOWED.some(one => one === action),
      channels,
    }
  }
}
