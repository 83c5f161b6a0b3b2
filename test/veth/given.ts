import { Link, LinkInfo } from '../../src/rtnetlink/link.ts'
import { type XdpMode, XdpState } from '../../src/rtnetlink/xdp-state.ts'
import type { FromFacts, PeerFacts, RedirectFacts, TargetFacts } from '../../src/veth/facts.ts'
import type { NapiSeen } from '../../src/veth/napi-seen.ts'
import type { Check, Verdict } from '../../src/veth/verdict.ts'
import type { Way } from '../../src/veth/way.ts'
import { OWN_NETNS } from '../../src/wire/netns.ts'

/** Facts to judge, each as it is when a redirect on Linux 6.18 arrives; a test says what is otherwise. */

const IFF_UP = 1
const WAY: Way = { via: 'redirect', mode: 'native', frameSize: 64, multiBuffer: false }
export const OFF = { active: false, wanted: false, fixed: false }
export const NO_BIT = ['basic', 'redirect', 'rx-sg'] as const

export function veth(fields: Partial<Link> = {}): Link {
  return Object.assign(new Link(), {
    name: 'vt',
    type: 1,
    carrier: 1,
    index: 7,
    mtu: 1500,
    flags: IFF_UP,
    numRxQueues: 1,
    numTxQueues: 1,
    linkinfo: ofKind('veth'),
    ...fields,
  })
}

export function ofKind(kind: string): LinkInfo {
  return Object.assign(new LinkInfo(), { kind })
}

/** What IFLA_XDP says of one program. */
export function running(mode: XdpMode, id = 5): XdpState {
  const ids = mode === 'native' ? { nativeProgramId: id } : { genericProgramId: id }
  return Object.assign(new XdpState(), { mode, programId: id, ...ids })
}

/** What napi-get tells. */
export const seen = (instances: number): NapiSeen => ({
  instances,
  evidence: `NETDEV_CMD_NAPI_GET: ${instances} instances`,
})

/** GRO is on at the peer. */
export function peer(fields: Partial<PeerFacts> = {}, link: Partial<Link> = {}): PeerFacts {
  const gro = { active: true, wanted: true, fixed: false }
  const queues = { rx: 1, tx: 1, evidence: 'given' }
  return {
    netns: OWN_NETNS,
    link: veth({ name: 'vp', index: 8, ...link }),
    gro,
    napi: seen(1),
    queues,
    ...fields,
  }
}

export const withoutGro = (link: Partial<Link> = {}) => peer({ gro: OFF, napi: seen(0) }, link)

export function target(fields: Partial<TargetFacts> = {}, link: Partial<Link> = {}): TargetFacts {
  return {
    netns: OWN_NETNS,
    link: veth(link),
    xdpFeatures: ['basic', 'redirect', 'ndo-xmit', 'rx-sg', 'ndo-xmit-sg'],
    queues: null,
    ...fields,
  }
}

export function from(fields: Partial<FromFacts> = {}, link: Partial<Link> = {}): FromFacts {
  return {
    ref: { netns: OWN_NETNS, device: 'nic0' },
    link: veth({ name: 'nic0', index: 3, linkinfo: null, ...link }),
    xdpFeatures: ['basic', 'redirect'],
    ...fields,
  }
}

export function facts(fields: Partial<RedirectFacts> = {}, way: Partial<Way> = {}): RedirectFacts {
  return {
    release: '6.18.44',
    pid: 4711,
    way: { ...WAY, ...way },
    from: null,
    ref: { netns: OWN_NETNS, device: 'vt' },
    target: target(),
    peer: peer(),
    unreachable: null,
    ...fields,
  }
}

/** Linux 5.10: no netdev family, no NAPI by GRO. */
export function oldFacts(fields: Partial<RedirectFacts> = {}, way: Partial<Way> = {}): RedirectFacts {
  return facts({ release: '5.10.223', target: target({ xdpFeatures: null }), ...fields }, way)
}

export function check(verdict: Verdict, name: Check['name']): Check {
  const found = verdict.checks.find(one => one.name === name)
  if (found === undefined) throw new Error(`there is no check '${name}' in ${JSON.stringify(verdict.checks)}`)
  return found
}

export const failing = ({ checks }: Verdict) =>
  checks.filter(({ ok }) => ok === false).map(({ name }) => name)
export const actions = ({ repairs }: Verdict) => repairs.map(({ action }) => action)
/** How it ends: delivered or not, the errno, the function, the tracepoint. */
export const end = ({ delivers, code, where }: Verdict) =>
  delivers === true ? ['arrives'] : [delivers, code, where?.function ?? null, where?.tracepoint ?? null]
