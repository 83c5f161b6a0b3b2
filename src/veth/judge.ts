import type { Link } from '../rtnetlink/link.ts'
import { printable } from '../wire/device-ref.ts'
import { type Netns, netnsLabel } from '../wire/netns.ts'
import type { PeerFacts, RedirectFacts } from './facts.ts'
import { longestFrame } from './frame-room.ts'
import { hasNapi, hasNativeProgram, napiRule } from './napi-rule.ts'
import type { PeerError } from './peer-error.ts'
import { repairsFor } from './repairs.ts'
import type { Check, Place, Repair, Verdict } from './verdict.ts'

/** A check that fails, and what the kernel then reports. */
interface Failure {
  readonly check: Check
  readonly code: string | null
  readonly where: Place | null
  /** Ends the sentence 'The redirect into T fails: …'. */
  readonly because: string
}

/**
 * Decides by the facts alone whether a native-mode redirect of one frame arrives. The failing checks are in the
 * order in which the kernel comes to them, so the first one gives the code.
 */
export function judge(facts: RedirectFacts, frameSize: number): Verdict {
  const { target } = facts
  if (target.link.kind !== 'veth') return notAVeth(facts)
  const steps = [
    takesRedirects(facts),
    targetUp(facts),
    frameFits(target.netns, target.link, 'frame fits target', frameSize, {
      code: 'EMSGSIZE',
      where: { function: 'xdp_ok_fwd_dev', tracepoint: 'xdp:xdp_redirect_err' },
    }),
    ...(facts.peer === null ? [peerReached(facts)] : peerSteps(facts, facts.peer, frameSize)),
  ]
  const checks = steps.map(step => ('check' in step ? step.check : step))
  const failures = steps.filter(step => 'check' in step)
  const first = failures[0]
  if (first !== undefined) {
    const delivers = first.check.ok === null ? null : false
    const repairs =
      facts.peer === null
        ? []
        : repairsFor(
            facts,
            facts.peer,
            failures.map(({ check }) => check.name),
          )
    const { code, where } = first
    return {
      delivers,
      code,
      where,
      checks,
      repairs,
      summary: explain(facts, first, cause(failures), repairs),
    }
  }
  const summary = `A native-mode redirect into ${printable(target.link.name)} will arrive at ${at(facts.peer!)}.`
  return { delivers: true, code: null, where: null, checks, repairs: [], summary }
}

function takesRedirects({ target, targetXdpFeatures, peer, unreachable }: RedirectFacts): Check | Failure {
  const about = subject('takes redirects', target.netns, target.link)
  if (targetXdpFeatures === null) {
    return {
      ...about,
      value: null,
      ok: null,
      evidence: 'no netdev family: this kernel has no xdp-features to check',
    }
  }
  const value = targetXdpFeatures.includes('ndo-xmit')
  const evidence = `NETDEV_CMD_DEV_GET: xdp-features are ${targetXdpFeatures.join(', ') || 'none'}`
  const check = { ...about, value, ok: value, evidence }
  if (value) return check
  return {
    check,
    code: 'EOPNOTSUPP',
    where: { function: '__xdp_enqueue', tracepoint: 'xdp:xdp_redirect_err' },
    because: whyNoBit(printable(target.link.name), targetXdpFeatures, peer, unreachable),
  }
}

/** Told where the peer itself is up and has NAPI, or is not known; see cause(). */
function whyNoBit(
  name: string,
  features: readonly string[],
  peer: PeerFacts | null,
  unreachable: PeerError | null,
): string {
  if (features.length === 0) {
    return `${name} has no xdp-features at all, as when its peer has more tx queues than it has rx queues`
  }
  if (peer !== null) {
    return `${name} lacks the xdp-feature ndo-xmit although its peer has NAPI: the kernel did not look again`
  }
  const why = unreachable === null ? '' : `; ${unreachable.message}`
  return `${name} lacks the xdp-feature ndo-xmit, which the kernel gives it when its peer gets NAPI${why}`
}

function targetUp({ target }: RedirectFacts): Check | Failure {
  const { up, name } = target.link
  const check = { ...subject('target up', target.netns, target.link), value: up, ok: up, evidence: FLAGS }
  if (up) return check
  const where = { function: 'xdp_ok_fwd_dev', tracepoint: 'xdp:xdp_redirect_err' } as const
  return { check, code: 'ENETDOWN', where, because: `${printable(name)} is down` }
}

function peerReached({ target, unreachable }: RedirectFacts): Failure {
  const why = unreachable?.message ?? 'the peer is gone'
  const about = subject('peer reached', target.netns, target.link)
  return { check: { ...about, value: false, ok: null, evidence: why }, code: null, where: null, because: why }
}

function peerSteps(facts: RedirectFacts, peer: PeerFacts, frameSize: number): (Check | Failure)[] {
  const { netns, link, gro } = peer
  const groOn = { ...subject('peer GRO', netns, link), value: gro.wanted, ok: null }
  const program = { ...subject('peer native program', netns, link), value: hasNativeProgram(link), ok: null }
  return [
    peerUp(peer),
    { ...groOn, evidence: `ETHTOOL_MSG_FEATURES_GET: rx-gro wanted ${gro.wanted}, active ${gro.active}` },
    { ...program, evidence: `RTM_GETLINK: IFLA_XDP says ${link.xdp?.mode ?? 'none'}` },
    peerNapi(facts, peer),
    frameFits(netns, link, 'frame fits peer', frameSize, {
      code: null,
      where: { function: 'veth_xdp_xmit', tracepoint: 'xdp:xdp_devmap_xmit' },
    }),
  ]
}

function peerUp({ netns, link }: PeerFacts): Check | Failure {
  const check = { ...subject('peer up', netns, link), value: link.up, ok: link.up, evidence: FLAGS }
  return link.up ? check : { check, ...REFUSED_BY_PEER, because: `its peer ${printable(link.name)} is down` }
}

function peerNapi(facts: RedirectFacts, peer: PeerFacts): Check | Failure {
  const about = subject('peer NAPI', peer.netns, peer.link)
  const on = hasNapi(facts.release, peer)
  const evidence =
    peer.napi === null
      ? `inferred, as this kernel has no napi-get: ${napiRule(facts.release)}`
      : `NETDEV_CMD_NAPI_GET: ${peer.napi} instances`
  const check = { ...about, value: on, ok: on, evidence }
  return on ? check : { check, ...REFUSED_BY_PEER, because: `its peer ${at(peer)} has no NAPI` }
}

function frameFits(
  netns: Netns,
  link: Link,
  name: 'frame fits target' | 'frame fits peer',
  frameSize: number,
  otherwise: Pick<Failure, 'code' | 'where'>,
): Check | Failure {
  const longest = longestFrame(link.mtu)
  const ok = frameSize <= longest
  const evidence = `RTM_GETLINK: mtu ${link.mtu}, so frames of up to ${longest} bytes`
  const check = { ...subject(name, netns, link), value: frameSize, ok, evidence }
  const because = `a frame of ${frameSize} bytes is longer than the ${longest} that ${printable(link.name)} takes at mtu ${link.mtu}`
  return ok ? check : { check, ...otherwise, because }
}

function notAVeth({ target }: RedirectFacts): Verdict {
  const { link, netns } = target
  const value = link.kind === '' ? 'no link kind' : link.kind
  const check = { ...subject('kind', netns, link), value, ok: null, evidence: 'RTM_GETLINK: IFLA_INFO_KIND' }
  const summary = `${printable(link.name)} in ${netnsLabel(netns)} is not a veth (${value}): whether its driver takes redirects is not judged here.`
  return { delivers: null, code: null, where: null, checks: [check], repairs: [], summary }
}

/** The target's missing bit is a symptom where the peer itself lacks something. */
function cause(failures: readonly Failure[]): Failure {
  const atPeer = failures.find(({ check }) => check.name === 'peer up' || check.name === 'peer NAPI')
  return failures[0]!.check.name === 'takes redirects' && atPeer !== undefined ? atPeer : failures[0]!
}

function explain(
  { target }: RedirectFacts,
  { check, code, where }: Failure,
  { because }: Failure,
  repairs: readonly Repair[],
): string {
  const name = printable(target.link.name)
  if (check.ok === null) return `Whether a redirect into ${name} arrives cannot be told: ${because}.`
  const reported =
    code === null
      ? `${where?.function} drops it without an error; ${where?.tracepoint} counts it among its drops, with err 0`
      : `${where?.function} refuses it with ${code}, shown by ${where?.tracepoint}`
  const cure =
    repairs.length === 0 ? '' : ` To repair it: ${repairs.map(({ command }) => command).join('; ')}`
  return `A native-mode redirect into ${name} fails: ${because}; ${reported}.${cure}`
}

function subject<N extends Check['name']>(name: N, netns: Netns, { name: device }: Link) {
  return { name, device, netns: netnsLabel(netns) }
}

function at({ netns, link }: PeerFacts): string {
  return `${printable(link.name)} in ${netnsLabel(netns)}`
}

const FLAGS = 'RTM_GETLINK: IFF_UP in ifi_flags'

/** From 5.6 on redirects are queued, and the driver's refusal shows when the queue is flushed. */
const REFUSED_BY_PEER = {
  code: 'ENXIO',
  where: { function: 'veth_xdp_xmit', tracepoint: 'xdp:xdp_devmap_xmit' },
} as const
