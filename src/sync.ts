import { openRedirectCounter } from './bpf/redirect-counter.ts'
import type { Limits } from './kernel/kernel.ts'
import {
  checkVisit,
  type LinksOptions,
  limitsOf,
  linksAsked,
  type Options,
  type PairsOptions,
  pairsAsked,
  type TraceOptions,
  traceAsked,
  type VethPairOptions,
  vethEnds,
} from './options.ts'
import type { Link } from './rtnetlink/link.ts'
import type { LinkField } from './rtnetlink/link-fields.ts'
import {
  listLinks as listAll,
  listLinkFields,
  visitLinkFields,
  visitLinks,
} from './rtnetlink/link-operations.ts'
import { Device, perform } from './sync-device.ts'
import { NetnsHandle, RedirectCounterHandle, RedirectTraceHandle } from './sync-handles.ts'
import { createNetns as create } from './veth/netns.ts'
import { createVethPair as createPair } from './veth/pairs.ts'
import { refOf, type VethEnd } from './veth/peer.ts'
import { explainPairs, type PairVerdicts } from './veth/sweep.ts'
import { openRedirectTrace } from './veth/trace-redirects.ts'
import { netnsFrom } from './wire/netns.ts'

/** A handle to a device, by name (an alternative one too) or index; nothing is asked yet. */
export function device(ref: string | number, options: Options = {}): Device {
  const limits = limitsOf('device()', options)
  return new Device({ netns: netnsFrom(options.netns), device: ref }, limits)
}

/** All devices of a namespace, or some fields of each. @throws InterruptedDumpError when they keep changing. */
export function listLinks(options?: Options & { readonly fields?: undefined }): Link[]
export function listLinks<F extends LinkField>(options: LinksOptions<F> & Options): Pick<Link, F>[]
export function listLinks<F extends LinkField>(options: LinksOptions<F> & Options = {}): Pick<Link, F>[] {
  const { netns, fields, limits } = linksAsked('listLinks()', options)
  return perform<Pick<Link, F>[]>(fields === null ? listAll(netns) : listLinkFields(netns, fields), limits)
}

/**
 * Calls `visit` with each device as it comes, and keeps none: for many of them. An error that it throws ends it.
 * @throws InterruptedDumpError at the end, when they changed meanwhile: those visited are no snapshot.
 */
export function forEachLink(
  visit: (link: Link) => void,
  options?: Options & { readonly fields?: undefined },
): void
export function forEachLink<F extends LinkField>(
  visit: (link: Pick<Link, F>) => void,
  options: LinksOptions<F> & Options,
): void
export function forEachLink<F extends LinkField>(
  visit: (link: Link) => void,
  options: LinksOptions<F> & Options = {},
): void {
  checkVisit(visit)
  const { netns, fields, limits } = linksAsked('forEachLink()', options)
  const visiting = visit as (link: Pick<Link, F>) => void
  perform<void>(fields === null ? visitLinks(netns, visit) : visitLinkFields(netns, fields, visiting), limits)
}

/**
 * Both ends of each veth pair with an end in a namespace, or in any that can be found and entered; `peer` is null where
 * it is out of reach. With verdicts, which netns 'all' gives unless they are declined, on redirects into each end.
 */
export function listVethPairs(options: PairsOptions & Options = {}): VethPair[] {
  const { netns, verdicts, limits } = pairsAsked(options)
  const pairs = perform(explainPairs(netns, verdicts), limits)
  return pairs.map(pair => ({
    target: handle(pair.target, limits),
    peer: pair.peer === null ? null : handle(pair.peer, limits),
    verdicts: pair.verdicts,
  }))
}

/** A pair as listVethPairs() found it. */
export interface VethPair {
  readonly target: Device
  readonly peer: Device | null
  readonly verdicts: PairVerdicts | null
}

/** Makes a veth pair, its ends where they are wanted: first the one that the options name, then its peer. */
export function createVethPair(options: VethPairOptions & Options): [Device, Device] {
  const { netns, first, second, limits } = vethEnds(options)
  const { target, peer } = perform(createPair(netns, first, second), limits)
  return [handle(target, limits), handle(peer, limits)]
}

/**
 * Makes a network namespace: with a name, where `ip netns add` puts it, else held by a descriptor of this process.
 * @throws SystemError EPERM without CAP_SYS_ADMIN, EEXIST when the name is taken.
 */
export function createNetns(name?: string): NetnsHandle {
  return new NetnsHandle(perform(create(name ?? null), {}))
}

/** Begins to count how XDP redirects end. @throws SystemError EPERM without CAP_BPF and CAP_PERFMON. */
export function countRedirects(): RedirectCounterHandle {
  return new RedirectCounterHandle(perform(openRedirectCounter(null), {}))
}

/**
 * Begins to count, in the kernel, the XDP redirects that fail, and with `delivered` those that do not, by where from,
 * where to, errno and tracepoint: on the whole machine, or with one namespace at either end. Linux 5.6; needs CAP_BPF,
 * CAP_PERFMON, and CAP_SYS_ADMIN to say more of a device than its name.
 * @throws SystemError EPERM, UnsupportedError.
 */
export function traceRedirects(options: TraceOptions & Pick<Options, 'timeout'> = {}): RedirectTraceHandle {
  const { asked, intervalMs, limits } = traceAsked(options)
  return new RedirectTraceHandle(perform(openRedirectTrace(asked), limits), intervalMs, limits)
}

function handle(end: VethEnd, limits: Limits): Device {
  return new Device(refOf(end), limits)
}

export type { ProgramSource } from './bpf/program.ts'
export { ProgramError } from './bpf/program-error.ts'
export { xdpDrop, xdpPass, xdpRedirect } from './bpf/programs.ts'
export type { RedirectCount } from './bpf/redirect-counter.ts'
export type { TraceForm } from './bpf/trace.ts'
export type { ChannelCounts, Channels } from './ethtool/channels.ts'
export { type Feature, type FeatureChange, FeatureError, type Features } from './ethtool/features.ts'
export type { XdpFeature } from './netdev/device.ts'
export type { Napi } from './netdev/napi.ts'
export type {
  LinksOptions,
  Options,
  PairsOptions,
  TraceOptions,
  VethEndOptions,
  VethPairOptions,
} from './options.ts'
export type { Link, LinkInfo } from './rtnetlink/link.ts'
export type { LinkField } from './rtnetlink/link-fields.ts'
export type { LinkStats } from './rtnetlink/link-stats.ts'
export type { XdpMode, XdpState } from './rtnetlink/xdp-state.ts'
export { Device, RepairHandle, XdpHandle } from './sync-device.ts'
export { NetnsHandle, RedirectCounterHandle, RedirectTraceHandle } from './sync-handles.ts'
export type { NapiSeen } from './veth/napi-seen.ts'
export { PeerError } from './veth/peer-error.ts'
export type { ProbeOptions, ProbeResult } from './veth/probe.ts'
export { RepairError, type RepairOptions, type RepairResult } from './veth/repair.ts'
export type { PairVerdicts } from './veth/sweep.ts'
export type { Cause, TracedPeer } from './veth/trace-cause.ts'
export type { TracedDevice, TracedRedirect, TraceReport } from './veth/trace-redirects.ts'
export type { Check, CheckName, Place, Repair, RepairAction, ToBeAllowed, Verdict } from './veth/verdict.ts'
export type { ExplainOptions } from './veth/way.ts'
export type { AttachedProgram, AttachOptions, XdpAttachment, XdpProgram } from './veth/xdp.ts'
export {
  DecodeError,
  InterruptedDumpError,
  NetlinkError,
  SystemError,
  TimeoutError,
  UnsupportedError,
} from './wire/errors.ts'
export type { Netns, NetnsRef } from './wire/netns.ts'
