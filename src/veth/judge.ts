import { deviceLabel, printable } from '../wire/device-ref.ts'
import { netnsLabel } from '../wire/netns.ts'
import type { RedirectFacts, TargetFacts } from './facts.ts'
import { fromSteps } from './from-steps.ts'
import { peerSteps } from './peer-steps.ts'
import { planRepairs } from './repairs.ts'
import { at, type Losing, type Loss, refusedBy, type Step, step, subjectOf, unknown } from './step.ts'
import { summaryOf } from './summary.ts'
import { kindOf, targetSteps } from './target-steps.ts'
import type { Verdict } from './verdict.ts'

/**
 * Decides by the facts alone whether a frame arrives. The steps are in the order in which a frame comes to them, so
 * the first that loses it gives the code and the place.
 */
export function judge(facts: RedirectFacts): Verdict {
  const steps = stepsOf(facts)
  const losing = steps.filter((one): one is Losing => one.loss !== null)
  const checks = steps.map(({ check }) => check)
  const first = losing[0]
  if (first === undefined) {
    const summary = summaryOf(facts, null, NOTHING_TO_DO)
    return { way: facts.way, delivers: true, code: null, where: null, checks, repairs: [], summary }
  }
  const sure = losing.some(({ check }) => check.ok === false)
  const plan = planRepairs(facts, losing)
  // Behind a step that is not known, which of the two it will be is not known either.
  const { code, where } = first.check.ok === null ? NOT_KNOWN : first.loss
  const cause = causeOf(losing, first)
  return {
    way: facts.way,
    delivers: sure ? false : null,
    code,
    where,
    checks,
    repairs: plan.steps,
    summary: summaryOf(facts, { first, cause, sure }, plan),
  }
}
const NOTHING_TO_DO = { steps: [], none: '' }
const NOT_KNOWN = { code: null, where: null } as const

function stepsOf(facts: RedirectFacts): Step[] {
  const { from, target } = facts
  const before = from === null ? [] : fromSteps(facts, from)
  if (target === null) return [...before, missing(facts)]
  const atTarget = targetSteps(facts, target)
  const beyond = target.link.kind === 'veth' ? peerSteps(facts, target) : [otherDriver(facts, target)]
  return [...before, ...atTarget, ...beyond]
}

/** The kernel looks a target up by its index when the frame is there. */
function missing({ ref, way }: RedirectFacts): Step {
  const about = { device: deviceLabel(ref), netns: netnsLabel(ref.netns) }
  const because = `there is no ${at(about)}`
  const loss: Loss =
    way.via === 'redirect'
      ? {
          code: 'EINVAL',
          where: refusedBy(way.mode === 'native' ? 'xdp_do_redirect' : 'xdp_do_generic_redirect'),
          because,
        }
      : { code: null, where: null, because }
  return step('target', about, false, false, 'RTM_GETLINK: ENODEV', loss)
}

/** What another driver does with a frame it has taken is its own affair. */
function otherDriver({ way }: RedirectFacts, target: TargetFacts): Step {
  const about = subjectOf(target)
  const name = printable(target.link.name)
  const kind = kindOf(target)
  if (way.via === 'tx') {
    const because = `XDP_TX on ${name} (${kind}) is its own driver's affair, which netlink does not tell`
    return unknown('driver', about, kind, 'RTM_GETLINK: IFLA_INFO_KIND', because)
  }
  const because = `the kernel hands the frame to the driver of ${name} (${kind}), which is no veth; whether that sends it on, only its own counters tell`
  return unknown('driver', about, kind, 'RTM_GETLINK: IFLA_INFO_KIND', because)
}

/** The target's missing bit is a symptom where the peer itself lacks something. */
function causeOf(losing: readonly Losing[], first: Losing): Losing {
  if (first.check.name !== 'takes redirects') return first
  return losing.find(({ check }) => check.name === 'peer up' || check.name === 'peer NAPI') ?? first
}
