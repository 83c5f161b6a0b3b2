import { deviceLabel, printable } from '../wire/device-ref.ts'
import { netnsLabel } from '../wire/netns.ts'
import type { FromFacts, RedirectFacts } from './facts.ts'
import { hasNativeProgram } from './napi-rule.ts'
import { FLAGS, fact, type Step, step, subjectOf } from './step.ts'

/** The side on which the program runs: whether it ever gets to redirect a frame. */
export function fromSteps(facts: RedirectFacts, from: FromFacts): Step[] {
  const { link, ref } = from
  if (link === null) {
    const about = { device: deviceLabel(ref), netns: netnsLabel(ref.netns) }
    const because = `there is no ${about.device} in ${about.netns}, from which to redirect`
    return [step('from', about, false, false, 'RTM_GETLINK: ENODEV', { code: null, where: null, because })]
  }
  const about = subjectOf({ netns: ref.netns, link })
  const isTarget = facts.target?.link.index === link.index
  const note = isTarget ? ', the target itself: what comes in there goes out there again' : ''
  const down = {
    code: null,
    where: null,
    because: `${printable(link.name)} is down, so no program there sees a frame`,
  }
  return [
    fact('from', about, true, `RTM_GETLINK: index ${link.index}${note}`),
    step('from up', about, link.up, link.up, FLAGS, down),
    ...(facts.way.mode === 'native' ? [runsNatively(from, about)] : []),
    program(facts, from, about),
  ]
}

function runsNatively({ link, xdpFeatures }: FromFacts, about: { device: string; netns: string }): Step {
  const name = 'from runs native programs'
  if (link !== null && hasNativeProgram(link)) return fact(name, about, true, 'RTM_GETLINK: it runs one')
  if (xdpFeatures === null) {
    return fact(name, about, null, 'no netdev family (Linux 6.3): only attaching a program tells')
  }
  const runs = xdpFeatures.includes('basic') && xdpFeatures.includes('redirect')
  const evidence = `NETDEV_CMD_DEV_GET: xdp-features are ${xdpFeatures.join(', ') || 'none'}`
  const because = `the driver of ${printable(about.device)} runs no native-mode program that redirects (xdp-features basic and redirect); generic mode is left`
  const where = { function: 'dev_xdp_attach', tracepoint: null, counter: null }
  return step(name, about, runs, runs, evidence, { code: 'EOPNOTSUPP', where, because })
}

/** What is attached there now. None yet is no fault; one in the other mode is worth a word. */
function program(
  { way }: RedirectFacts,
  { link }: FromFacts,
  about: { device: string; netns: string },
): Step {
  const mode = link?.xdp?.mode ?? 'none'
  const other =
    mode === 'none'
      ? '; judged as if one ran there'
      : mode === way.mode || mode === 'multi'
        ? ''
        : `; judged for ${way.mode} mode, as was asked`
  return fact('from program', about, mode, `RTM_GETLINK: IFLA_XDP says ${mode}${other}`)
}
