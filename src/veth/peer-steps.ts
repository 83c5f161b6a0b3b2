import type { GroState } from '../ethtool/gro.ts'
import { printable } from '../wire/device-ref.ts'
import type { PeerFacts, RedirectFacts, TargetFacts } from './facts.ts'
import { longestFrame } from './frame-room.ts'
import { groStartsNapi, hasNapi, hasNativeProgram, napiRule } from './napi-rule.ts'
import type { Queues } from './queues.ts'
import {
  at,
  FLAGS,
  fact,
  type Loss,
  passed,
  type Step,
  type Subject,
  step,
  subjectOf,
  unknown,
} from './step.ts'
import { room, tooLong } from './target-steps.ts'
import type { Place } from './verdict.ts'

/** What the driver of a veth looks at when it gets a frame for the peer, in its order. */
export function peerSteps(facts: RedirectFacts, target: TargetFacts): Step[] {
  const { peer, unreachable, way } = facts
  if (peer === null) {
    const why = unreachable?.message ?? `${printable(target.link.name)} has lost its peer`
    return [...carrier(facts, target), unknown('peer reached', subjectOf(target), false, why, why)]
  }
  const about = subjectOf(peer)
  const steps: Step[] = []
  if (unreachable !== null) {
    const evidence = `${unreachable.message}; seen by IFLA_TARGET_NETNSID`
    steps.push(fact('peer reached', subjectOf(target), false, evidence))
  }
  steps.push(peerUp(facts, target, peer, about))
  if (way.mode === 'native') {
    if (peer.gro !== null) steps.push(gro(peer.gro, about))
    steps.push(program(peer, about), peerNapi(facts, target, peer, about))
    if (peer.queues !== null) steps.push(queues(peer.queues, target, about))
    if (way.via === 'tx') steps.push(peerWakes(facts, peer, about))
  }
  steps.push(frameFitsPeer(facts, target, peer, about))
  return steps
}

/** Nothing else is known of the peer; but a veth that is up has a carrier exactly while its peer is up. Source: veth_open(). */
function carrier(facts: RedirectFacts, target: TargetFacts): Step[] {
  const { up, carrier } = target.link
  if (!up) return []
  const because = 'its peer is down, as its own missing carrier tells'
  const loss =
    facts.way.mode === 'generic' ? lostInGeneric(target, because) : refusedByPeer(facts, target, because)
  return [
    step(
      'peer up',
      subjectOf(target),
      carrier === 1,
      carrier === 1,
      `RTM_GETLINK: IFLA_CARRIER is ${carrier}`,
      loss,
    ),
  ]
}

/** Nobody to take frames off a ring: veth_xdp_xmit() refuses the whole bulk. */
function refusedByPeer({ way }: RedirectFacts, target: TargetFacts, because: string): Loss {
  const name = printable(target.link.name)
  const where: Place =
    way.via === 'tx'
      ? {
          function: 'veth_xdp_xmit',
          tracepoint: 'xdp:xdp_bulk_tx',
          counter: `rx_queue_N_xdp_tx_errors of ${name}`,
        }
      : { function: 'veth_xdp_xmit', tracepoint: 'xdp:xdp_devmap_xmit', counter: `tx_dropped of ${name}` }
  return { code: 'ENXIO', where, because }
}

/** In generic mode the frame is an skb by then, sent as any other; what is lost there is only counted. */
function lostInGeneric(target: TargetFacts, because: string): Loss {
  const counter = `tx_dropped of ${printable(target.link.name)}`
  return { code: null, where: { function: 'veth_xmit', tracepoint: null, counter }, because }
}

function peerUp(facts: RedirectFacts, target: TargetFacts, peer: PeerFacts, about: Subject): Step {
  const { up, name } = peer.link
  if (up) return passed('peer up', about, up, FLAGS)
  const because = `its peer ${printable(name)} is down`
  const loss =
    facts.way.mode === 'generic' ? lostInGeneric(target, because) : refusedByPeer(facts, target, because)
  return step('peer up', about, up, up, FLAGS, loss)
}

function gro({ wanted, active }: GroState, about: Subject): Step {
  const evidence = `ETHTOOL_MSG_FEATURES_GET: rx-gro wanted ${wanted}, active ${active}`
  return fact('peer GRO', about, wanted, evidence)
}

function program({ link }: PeerFacts, about: Subject): Step {
  const evidence = `RTM_GETLINK: IFLA_XDP says ${link.xdp?.mode ?? 'none'}`
  return fact('peer native program', about, hasNativeProgram(link), evidence)
}

function peerNapi(facts: RedirectFacts, target: TargetFacts, peer: PeerFacts, about: Subject): Step {
  const { napi, queues: inUse } = peer
  const has = hasNapi(facts.release, peer)
  if (has === null) {
    const because = `whether GRO is wanted at its peer ${at(about)} cannot be seen from here, and that decides whether it has NAPI`
    return unknown('peer NAPI', about, null, facts.unreachable?.message ?? because, because)
  }
  const queues = inUse === null ? '' : `; ${inUse.rx} receive queues (${inUse.evidence})`
  const some = napi?.instances ?? 0
  if (inUse !== null && some > 0 && some < inUse.rx) {
    const because = `its peer ${at(about)} has NAPI on ${some} of ${inUse.rx} receive queues, and the CPU chooses the queue`
    return unknown('peer NAPI', about, some, `${napi?.evidence}${queues}`, because)
  }
  const evidence =
    napi !== null
      ? `${napi.evidence}${queues}`
      : `inferred, as ${peer.netns === null ? 'the peer is out of reach' : 'this kernel has no napi-get'}: ${napiRule(facts.release)}`
  if (has) return passed('peer NAPI', about, has, evidence)
  const loss = refusedByPeer(facts, target, `its peer ${at(about)} has no NAPI`)
  return step('peer NAPI', about, has, has, evidence, loss)
}

/** Attaching to the peer needs as many receive queues there; the target's xdp-features need it the other way round. */
function queues({ tx, evidence }: Queues, target: TargetFacts, about: Subject): Step {
  const against =
    target.queues === null
      ? ''
      : `; ${target.queues.rx} receive queues at the target (${target.queues.evidence})`
  return fact('peer tx queues', about, tx, `${evidence}${against}`)
}

/**
 * After XDP_TX the driver wakes the other end's NAPI only if that end has a program: with GRO alone the frames stay
 * in its ring, 256 a queue. Measured on 6.18; source: veth_xdp_flush(), which tests rcv_rq->xdp_prog, in 6.1, 6.12 and 7.3 alike.
 */
function peerWakes({ release }: RedirectFacts, peer: PeerFacts, about: Subject): Step {
  const ok = hasNativeProgram(peer.link) || !groStartsNapi(release)
  const evidence = 'veth_xdp_flush() wakes the other end only if that has a native program'
  const because = `its peer ${at(about)} has NAPI by GRO alone, which XDP_TX does not wake: frames stay in its ring`
  const where: Place = { function: 'veth_xdp_flush', tracepoint: null, counter: null }
  return step('peer wakes', about, ok, ok, evidence, { code: null, where, because })
}

function frameFitsPeer({ way }: RedirectFacts, target: TargetFacts, peer: PeerFacts, about: Subject): Step {
  const { mtu, name } = peer.link
  const longest = longestFrame(mtu)
  if (way.frameSize <= longest) return passed('frame fits peer', about, way.frameSize, room(mtu))
  const because = tooLong(way.frameSize, longest, name, mtu)
  const where: Place =
    way.via === 'tx'
      ? {
          function: 'veth_xdp_xmit',
          tracepoint: 'xdp:xdp_bulk_tx',
          counter: `rx_queue_N_xdp_tx_errors of ${printable(target.link.name)}`,
        }
      : {
          function: 'veth_xdp_xmit',
          tracepoint: 'xdp:xdp_devmap_xmit',
          counter: `tx_queue_N_xdp_xmit_errors of ${printable(target.link.name)}`,
        }
  const loss = way.mode === 'generic' ? lostInGeneric(target, because) : { code: null, where, because }
  return step('frame fits peer', about, way.frameSize, false, room(mtu), loss)
}
