import { openRedirectCounter } from './bpf/redirect-counter.ts'
import { Device, perform } from './device.ts'
import { NetnsHandle, RedirectCounterHandle, RedirectTraceHandle } from './handles.ts'
import type { Limits } from './kernel/kernel.ts'
import {
  type AsyncOptions,
  checkVisit,
  type LinksOptions,
  limitsOf,
  linksAsked,
  type PairsOptions,
  pairsAsked,
  type TraceOptions,
  traceAsked,
  type VethPairOptions,
  vethEnds,
  type WatchOptions,
  type WatchVerdictOptions,
  watchAsked,
  watchVerdictAsked,
} from './options.ts'
import type { Link } from './rtnetlink/link.ts'
import type { LinkField } from './rtnetlink/link-fields.ts'
import {
  listLinks as listAll,
  listLinkFields,
  visitLinkFields,
  visitLinks,
} from './rtnetlink/link-operations.ts'
import { createNetns as create } from './veth/netns.ts'
import { createVethPair as createPair } from './veth/pairs.ts'
import { refOf, type VethEnd } from './veth/peer.ts'
import { explainPairs, type PairVerdicts } from './veth/sweep.ts'
import { openRedirectTrace } from './veth/trace-redirects.ts'
import type { Verdict } from './veth/verdict.ts'
import { type FeaturesEvent, WatchedFeatures } from './watch/features.ts'
import type { LinkEvent } from './watch/link-event.ts'
import { WatchedLinks } from './watch/links.ts'
import { type NetdevEvent, WatchedNetdev } from './watch/netdev.ts'
import { WatchedVerdict } from './watch/verdict.ts'
import { Watch } from './watch/watch.ts'
import { netnsFrom } from './wire/netns.ts'

/** A handle to a device, by name (an alternative one too) or index; nothing is asked yet. */
export function device(ref: string | number, options: AsyncOptions = {}): Device {
  const limits = limitsOf('device()', options)
  return new Device({ netns: netnsFrom(options.netns), device: ref }, limits)
}

/** All devices of a namespace, or some fields of each. @throws InterruptedDumpError when they keep changing. */
export function listLinks(options?: AsyncOptions & { readonly fields?: undefined }): Promise<Link[]>
export function listLinks<F extends LinkField>(
  options: LinksOptions<F> & AsyncOptions,
): Promise<Pick<Link, F>[]>
export async function listLinks<F extends LinkField>(
  options: LinksOptions<F> & AsyncOptions = {},
): Promise<Pick<Link, F>[]> {
  const { netns, fields, limits } = linksAsked('listLinks()', options)
  return await perform<Pick<Link, F>[]>(
    fields === null ? listAll(netns) : listLinkFields(netns, fields),
    limits,
  )
}

/**
 * Calls `visit` with each device as it comes, and keeps none: for many of them. An error that it throws ends it.
 * @throws InterruptedDumpError at the end, when they changed meanwhile: those visited are no snapshot.
 */
export function forEachLink(
  visit: (link: Link) => void,
  options?: AsyncOptions & { readonly fields?: undefined },
): Promise<void>
export function forEachLink<F extends LinkField>(
  visit: (link: Pick<Link, F>) => void,
  options: LinksOptions<F> & AsyncOptions,
): Promise<void>
export async function forEachLink<F extends LinkField>(
  visit: (link: Link) => void,
  options: LinksOptions<F> & AsyncOptions = {},
): Promise<void> {
  checkVisit(visit)
  const { netns, fields, limits } = linksAsked('forEachLink()', options)
  const visiting = visit as (link: Pick<Link, F>) => void
  await perform<void>(
    fields === null ? visitLinks(netns, visit) : visitLinkFields(netns, fields, visiting),
    limits,
  )
}

/**
 * Both ends of each veth pair with an end in a namespace, or in any that can be found and entered; `peer` is null where
 * it is out of reach. With verdicts, which netns 'all' gives unless they are declined, on redirects into each end.
 */
export async function listVethPairs(options: PairsOptions & AsyncOptions = {}): Promise<VethPair[]> {
  const { netns, verdicts, limits } = pairsAsked(options)
  const pairs = await perform(explainPairs(netns, verdicts), limits)
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
export async function createVethPair(options: VethPairOptions & AsyncOptions): Promise<[Device, Device]> {
  const { netns, first, second, limits } = vethEnds(options)
  const { target, peer } = await perform(createPair(netns, first, second), limits)
  return [handle(target, limits), handle(peer, limits)]
}

/**
 * Makes a network namespace: with a name, where `ip netns add` puts it, else held by a descriptor of this process.
 * @throws SystemError EPERM without CAP_SYS_ADMIN, EEXIST when the name is taken.
 */
export async function createNetns(name?: string): Promise<NetnsHandle> {
  return new NetnsHandle(await perform(create(name ?? null), {}))
}

/**
 * What becomes of the devices of namespaces, from the first next() on: those that there are come first, as added. Nothing is
 * missed without a word: see docs/watching.md. It ends with `break`, with an error, with the signal, whose reason it throws,
 * and when all the namespaces have ended.
 * @throws SystemError EPERM for other namespaces than the own one without CAP_NET_BROADCAST, NetlinkError without CAP_NET_ADMIN.
 */
export function watchLinks(options: WatchOptions = {}): AsyncIterableIterator<LinkEvent, void, void> {
  const { wanted, receiveBuffer, limits } = watchAsked('watchLinks()', options)
  return new Watch(new WatchedLinks(wanted, receiveBuffer), perform, limits)
}

/** Begins to count how XDP redirects end. @throws SystemError EPERM without CAP_BPF and CAP_PERFMON. */
export async function countRedirects(): Promise<RedirectCounterHandle> {
  return new RedirectCounterHandle(await perform(openRedirectCounter(null), {}))
}

/**
 * The features of the devices of namespaces, live and in the same manner. Of a mere wish the kernel does not tell: `wanted`
 * is as it was when the device was last asked. @throws as watchLinks() does.
 */
export function watchFeatures(options: WatchOptions = {}): AsyncIterableIterator<FeaturesEvent, void, void> {
  const { wanted, receiveBuffer, limits } = watchAsked('watchFeatures()', options)
  return new Watch(new WatchedFeatures(wanted, receiveBuffer), perform, limits)
}

/**
 * What the netdev family knows of namespaces, live and in the same manner: XDP features of devices, NAPI instances and page
 * pools. Of NAPI the kernel has no message: a device's instances are asked for when something else is told of it.
 * @throws as watchLinks() does; UnsupportedError from the first next() before Linux 6.3.
 */
export function watchNetdev(options: WatchOptions = {}): AsyncIterableIterator<NetdevEvent, void, void> {
  const { wanted, receiveBuffer, limits } = watchAsked('watchNetdev()', options)
  return new Watch(new WatchedNetdev(wanted, receiveBuffer), perform, limits)
}

/**
 * What explainRedirect() says of a device: at first, and whenever it is something else. A change that the kernel tells of
 * is looked at at once, whatever else it may be within a second. Keeps no namespace alive.
 * @throws NetlinkError or SystemError from next() where the kernel cannot be asked.
 */
export function watchVerdict(
  device: Device,
  options: WatchVerdictOptions = {},
): AsyncIterableIterator<Verdict, void, void> {
  if (!(device instanceof Device)) throw new TypeError('watchVerdict() takes a Device: device(name)')
  const { explain, receiveBuffer, limits } = watchVerdictAsked(options)
  const { netns, name, index } = device
  const ref = index === null ? { netns, device: name! } : { netns, device: index, ...(name && { name }) }
  return new Watch(new WatchedVerdict(ref, explain, receiveBuffer), perform, limits)
}

/**
 * Begins to count, in the kernel, the XDP redirects that fail, and with `delivered` those that do not, by where from,
 * where to, errno and tracepoint: on the whole machine, or with one namespace at either end. Linux 5.6; needs CAP_BPF,
 * CAP_PERFMON, and CAP_SYS_ADMIN to say more of a device than its name.
 * @throws SystemError EPERM, UnsupportedError.
 */
export async function traceRedirects(
  options: TraceOptions & Omit<AsyncOptions, 'netns'> = {},
): Promise<RedirectTraceHandle> {
  const { asked, intervalMs, limits } = traceAsked(options)
  limits.signal?.throwIfAborted()
  return new RedirectTraceHandle(await perform(openRedirectTrace(asked), limits), intervalMs, limits)
}

function handle(end: VethEnd, limits: Limits): Device {
  return new Device(refOf(end), limits)
}

export type { ProgramSource } from './bpf/program.ts'
export { ProgramError } from './bpf/program-error.ts'
export { xdpDrop, xdpPass, xdpRedirect } from './bpf/programs.ts'
export type { RedirectCount } from './bpf/redirect-counter.ts'
export type { TraceForm } from './bpf/trace.ts'
export { Device, RepairHandle, XdpHandle } from './device.ts'
export type { ChannelCounts, Channels } from './ethtool/channels.ts'
export { type Feature, type FeatureChange, FeatureError, type Features } from './ethtool/features.ts'
export { NetnsHandle, RedirectCounterHandle, RedirectTraceHandle } from './handles.ts'
export type { NetdevDevice, XdpFeature } from './netdev/device.ts'
export type { Napi } from './netdev/napi.ts'
export type { PagePool } from './netdev/page-pool.ts'
export type {
  AsyncOptions,
  LinksOptions,
  Options,
  PairsOptions,
  TraceOptions,
  VethEndOptions,
  VethPairOptions,
  WatchOptions,
  WatchVerdictOptions,
} from './options.ts'
export type { Link, LinkInfo } from './rtnetlink/link.ts'
export type { LinkField } from './rtnetlink/link-fields.ts'
export type { LinkStats } from './rtnetlink/link-stats.ts'
export type { XdpMode, XdpState } from './rtnetlink/xdp-state.ts'
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
export type { DeviceFeatures, FeaturesEvent } from './watch/features.ts'
export type { ChangedField } from './watch/link-difference.ts'
export type { LinkEvent, LinkPlace } from './watch/link-event.ts'
export type { NetdevEvent, NetdevObjects } from './watch/netdev.ts'
export {
  DecodeError,
  InterruptedDumpError,
  NetlinkError,
  SystemError,
  TimeoutError,
  UnsupportedError,
} from './wire/errors.ts'
export type { Netns, NetnsRef } from './wire/netns.ts'
