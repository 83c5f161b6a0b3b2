import { printable } from '../wire/device-ref.ts'
import type { RedirectFacts, TargetFacts } from './facts.ts'
import { longestFrame, takesFrame } from './frame-room.ts'
import { isSince } from './napi-rule.ts'
import {
  FLAGS,
  fact,
  type Loss,
  passed,
  refusedBy,
  type Step,
  type Subject,
  step,
  subjectOf,
  unknown,
} from './step.ts'
import type { Place } from './verdict.ts'

/** What the kernel looks at before a frame is queued for the target, in its order. */
export function targetSteps(facts: RedirectFacts, target: TargetFacts): Step[] {
  const { way } = facts
  const about = subjectOf(target)
  const steps = [fact('kind', about, kindOf(target), 'RTM_GETLINK: IFLA_INFO_KIND')]
  if (way.via === 'tx') {
    steps.push(ownProgram(facts, target, about), upToReceive(target, about))
    return steps
  }
  if (way.mode === 'native') {
    steps.push(takesRedirects(facts, target, about))
    if (way.multiBuffer) steps.push(...takesFragments(facts, target, about))
  }
  steps.push(targetUp(facts, target, about), frameFitsTarget(facts, target, about))
  return steps
}

export function kindOf({ link }: TargetFacts): string {
  return link.kind === '' ? 'none, as hardware has' : link.kind
}

/** A broadcast passes over a target that would refuse a frame, and says nothing. Source: is_valid_dst(), devmap.c. */
function refusal({ way }: RedirectFacts, code: string, fn: string, because: string): Loss {
  if (way.via === 'broadcast' && way.mode === 'native') {
    return { code: null, where: { function: 'is_valid_dst', tracepoint: null, counter: null }, because }
  }
  return { code, where: refusedBy(fn), because }
}

function takesRedirects(facts: RedirectFacts, target: TargetFacts, about: Subject): Step {
  const { xdpFeatures } = target
  if (xdpFeatures === null) {
    const evidence = 'no netdev family (Linux 6.3): this kernel has no xdp-features to check'
    if (target.link.kind === 'veth') return fact('takes redirects', about, null, evidence)
    const because = `only Linux 6.3 and later tell whether the driver of ${printable(about.device)} takes redirects`
    return unknown('takes redirects', about, null, evidence, because)
  }
  const takes = xdpFeatures.includes('ndo-xmit')
  const evidence = `NETDEV_CMD_DEV_GET: xdp-features are ${xdpFeatures.join(', ') || 'none'}`
  if (takes) return passed('takes redirects', about, takes, evidence)
  const loss = refusal(facts, 'EOPNOTSUPP', '__xdp_enqueue', whyNoBit(facts, target, xdpFeatures))
  return step('takes redirects', about, takes, takes, evidence, loss)
}

/** Told where nothing is wrong with the peer itself, or it is not known; see cause() in judge.ts. */
function whyNoBit(facts: RedirectFacts, target: TargetFacts, features: readonly string[]): string {
  const name = printable(target.link.name)
  if (target.link.kind !== 'veth') {
    return `${name} (${kindOf(target)}) lacks the xdp-feature ndo-xmit: its driver does not take redirects, or not in its present state`
  }
  const { queues } = target
  const tx = facts.peer?.queues?.tx
  if (features.length === 0 && queues !== null && tx !== undefined && tx > queues.rx) {
    return `${name} has no xdp-features, since its peer sends on ${tx} queues and it receives on ${queues.rx}`
  }
  if (facts.peer?.netns != null) {
    return `${name} lacks the xdp-feature ndo-xmit although its peer has NAPI: the kernel did not look again`
  }
  const why = facts.unreachable === null ? '' : `; ${facts.unreachable.message}`
  return `${name} lacks the xdp-feature ndo-xmit, which the kernel gives it when its peer gets NAPI${why}`
}

/** Frames of several buffers: since 5.18, redirected since 6.3. */
function takesFragments(facts: RedirectFacts, target: TargetFacts, about: Subject): Step[] {
  const { release } = facts
  if (!isSince(release, 6, 3)) {
    const because = 'before Linux 6.3 xdp_do_redirect() refuses frames of several buffers, and traces nothing'
    const where: Place = { function: 'xdp_do_redirect', tracepoint: null, counter: null }
    const evidence = `rule for Linux ${release}: no redirect of several buffers before 6.3`
    return [step('takes fragments', about, false, false, evidence, { code: null, where, because })]
  }
  const features = target.xdpFeatures
  if (features === null) return []
  const takes = features.includes('ndo-xmit-sg')
  const because = `${printable(about.device)} lacks the xdp-feature ndo-xmit-sg: its driver takes no frames of several buffers`
  const evidence = `NETDEV_CMD_DEV_GET: xdp-features are ${features.join(', ') || 'none'}`
  return [
    step(
      'takes fragments',
      about,
      takes,
      takes,
      evidence,
      refusal(facts, 'EOPNOTSUPP', '__xdp_enqueue', because),
    ),
  ]
}

function targetUp(facts: RedirectFacts, target: TargetFacts, about: Subject): Step {
  const { up, name } = target.link
  if (up) return passed('target up', about, up, FLAGS)
  const loss = refusal(facts, 'ENETDOWN', 'xdp_ok_fwd_dev', `${printable(name)} is down`)
  return step('target up', about, up, up, FLAGS, loss)
}

function frameFitsTarget(facts: RedirectFacts, target: TargetFacts, about: Subject): Step {
  const { link } = target
  const { frameSize } = facts.way
  const takes = takesFrame(frameSize, link)
  if (takes === null) {
    const because = `how long frames may be that ${printable(link.name)} takes depends on a header which is not Ethernet's and whose length is not told (ifi_type ${link.type}, mtu ${link.mtu})`
    return unknown(
      'frame fits target',
      about,
      frameSize,
      `RTM_GETLINK: mtu ${link.mtu}, ifi_type ${link.type}`,
      because,
    )
  }
  if (takes) return passed('frame fits target', about, frameSize, room(link.mtu))
  const because = tooLong(frameSize, longestFrame(link.mtu), link.name, link.mtu)
  const loss = refusal(facts, 'EMSGSIZE', 'xdp_ok_fwd_dev', because)
  return step('frame fits target', about, frameSize, false, room(link.mtu), loss)
}

export function tooLong(frameSize: number, longest: number, name: string, mtu: number): string {
  return `a frame of ${frameSize} bytes is longer than the ${longest} that ${printable(name)} takes at mtu ${mtu}`
}

export function room(mtu: number): string {
  return `RTM_GETLINK: mtu ${mtu}, so frames of up to ${longestFrame(mtu)} bytes`
}

function upToReceive(target: TargetFacts, about: Subject): Step {
  const { up, name } = target.link
  const because = `${printable(name)} is down, so its program sees no frame`
  return step('target up', about, up, up, FLAGS, { code: null, where: null, because })
}

/** XDP_TX is what a program on the device itself returns. */
function ownProgram({ way }: RedirectFacts, target: TargetFacts, about: Subject): Step {
  const mode = target.link.xdp?.mode ?? 'none'
  const judged = mode === way.mode || mode === 'multi' ? '' : `; judged as if one ran in ${way.mode} mode`
  return fact('program', about, mode, `RTM_GETLINK: IFLA_XDP says ${mode}${judged}`)
}
