import { openTrace, readTrace, type Trace, type TraceForm } from '../bpf/trace.ts'
import type { TraceCount, TracedEnd, TracePlace } from '../bpf/trace-map.ts'
import { errnoName, errnoText } from '../wire/errno.ts'
import type { Netns } from '../wire/netns.ts'
import { ask, type Operation } from '../wire/operation.ts'
import { findNetnsByDevices } from './netns-by-devices.ts'
import { NetnsByInode } from './netns-by-inode.ts'
import { type Cause, findCause, isAboutTheSystem, unknown } from './trace-cause.ts'

/** A device at one end of a redirect. */
export interface TracedDevice {
  readonly index: number
  /** The name that it had when the first of these frames came; null where only the index is known. */
  readonly name: string | null
  /** null where its namespace is not known or not found. */
  readonly netns: Netns | null
  /** The inode number of its namespace; null where only the index is told. */
  readonly netnsInode: number | null
}

/** The redirects that ended in one way, since the last time. */
export interface TracedRedirect {
  /**
   * Where the kernel told: xdp_redirect_err of a frame that was refused before it was queued; xdp_devmap_xmit of a batch
   * given to the target's driver; xdp_bulk_tx of a batch that XDP_TX sends back; xdp_cpumap_enqueue and
   * xdp_cpumap_kthread of frames for another CPU; xdp_exception of a program's result that came to nothing.
   */
  readonly tracepoint: `xdp:${TracePlace}`
  /** Negative; 0 where the kernel gives none. */
  readonly errno: number
  /** The error's name, 'EOPNOTSUPP', or null. */
  readonly code: string | null
  /** What the errno means; where there is none, what is known to lose frames there. null where none was lost. */
  readonly text: string | null
  /** Where the program ran; null for a CPU's. */
  readonly from: TracedDevice | null
  /** By XDP_TX the device itself. null where the target is no device, or many. */
  readonly to: TracedDevice | null
  /** The map by which it was redirected, or null. */
  readonly mapId: number | null
  /** What the map's target is, where that is no device: a CPU's number, or the index in the map. */
  readonly mapIndex: number | null
  /** Frames that were lost. */
  readonly refused: number
  /** Frames that were not; 0 unless `delivered` was asked for. */
  readonly delivered: number
  /** null where nothing was lost, or no device was to get it. */
  readonly cause: Cause | null
}

/** What was counted since the last time. */
export interface TraceReport {
  readonly redirects: readonly TracedRedirect[]
  /**
   * Frames of which nothing else is known: more different ones than the map has room for; or, each a frame or a batch,
   * those for which the kernel passed over the program as BPF was at work on that CPU: of perf events, which Linux 6.7 tells.
   */
  readonly uncounted: number
}

/** What is traced. */
export interface TraceAsked {
  /** Only redirects with this namespace at either end; null for all. */
  readonly netns: Netns | null
  readonly delivered: boolean
  /** null: raw tracepoints where the kernel's types are to be had. */
  readonly by: TraceForm | null
}

/** A trace under way. */
export interface RedirectTrace extends Trace {
  /** Where the namespaces of the last report were found, by inode number. */
  namespaces: ReadonlyMap<number, Netns>
}

/** So many different outcomes fit between two reports. Two maps of some 150 KB. */
const MOST_OUTCOMES = 1023

/**
 * Begins to count, in the kernel, how XDP redirects end. Linux 5.6; needs CAP_BPF and CAP_PERFMON, and CAP_SYS_ADMIN to
 * read the kernel's types and to look into other namespaces.
 * @throws ProgramError, SystemError.
 */
export function* openRedirectTrace(
  { netns, delivered, by }: TraceAsked,
  entries = MOST_OUTCOMES,
): Operation<RedirectTrace> {
  const netnsInode = netns === null ? null : (yield* ask<'identify'>({ kind: 'identify', netns })).inode
  return { ...(yield* openTrace({ delivered, netnsInode }, by, entries)), namespaces: new Map() }
}

/** What was counted since the last time, with the cause of each loss, as it is now. */
export function* readRedirectTrace(trace: RedirectTrace): Operation<TraceReport> {
  const { counts, uncounted } = yield* readTrace(trace)
  const namespaces = new NetnsByInode(trace.namespaces)
  const causes = new Map<string, Cause>()
  const redirects: TracedRedirect[] = []
  for (const count of counts) redirects.push(yield* tracedRedirect(count, namespaces, causes))
  trace.namespaces = namespaces.found
  return { redirects, uncounted }
}

function* tracedRedirect(
  count: TraceCount,
  namespaces: NetnsByInode,
  causes: Map<string, Cause>,
): Operation<TracedRedirect> {
  const { place, errno, mapId, detail, refused, delivered } = count
  const from = yield* tracedDevice(count.from, namespaces)
  const to = yield* tracedDevice(count.to, namespaces)
  const code = errno === 0 ? null : errnoName(errno)
  return {
    tracepoint: `xdp:${place}`,
    errno,
    code,
    text: refused === 0 ? null : errno === 0 ? WITHOUT_ERRNO[place](detail) : errnoText(errno),
    from,
    to,
    mapId,
    mapIndex: mapId === null || to !== null ? null : detail,
    refused,
    delivered,
    cause: refused === 0 || to === null ? null : yield* causeOf(place, code, from, to, causes),
  }
}

function* tracedDevice(end: TracedEnd | null, namespaces: NetnsByInode): Operation<TracedDevice | null> {
  if (end === null) return null
  return { ...end, netns: end.netnsInode === null ? null : yield* findOrNull(end.netnsInode, namespaces) }
}

function* findOrNull(inode: number, namespaces: NetnsByInode): Operation<Netns | null> {
  try {
    return yield* namespaces.find(inode)
  } catch (error) {
    if (isAboutTheSystem(error)) return null
    throw error
  }
}

/** Found once for all the frames that came to a device in the same way. */
function* causeOf(
  place: TracePlace,
  code: string | null,
  from: TracedDevice | null,
  to: TracedDevice,
  causes: Map<string, Cause>,
): Operation<Cause> {
  const key = [to.netnsInode, to.index, place, code, from?.netnsInode, from?.index].join()
  const known = causes.get(key)
  if (known !== undefined) return known
  const cause = yield* causeOrWhyNot(place, code, from, to)
  causes.set(key, cause)
  return cause
}

/** What was counted is told, whatever else cannot be: the kernel's map is empty by now. */
function* causeOrWhyNot(
  place: TracePlace,
  code: string | null,
  from: TracedDevice | null,
  to: TracedDevice,
): Operation<Cause> {
  try {
    if (to.netnsInode === null) return yield* causeByIndexes(place, code, from, to)
    return yield* causeInNetns(place, code, from, to)
  } catch (error) {
    if (isAboutTheSystem(error)) return unknown(error.message)
    throw error
  }
}

function* causeInNetns(
  place: TracePlace,
  code: string | null,
  from: TracedDevice | null,
  to: TracedDevice,
): Operation<Cause> {
  if (to.netns === null) return unknown(NOT_FOUND)
  const source = from === null || from.netns === null ? null : { netns: from.netns, device: from.index }
  const target = { netns: to.netns, device: to.index, ...(to.name !== null && { name: to.name }) }
  return yield* findCause({ target, from: source, place, code })
}

function* causeByIndexes(
  place: TracePlace,
  code: string | null,
  from: TracedDevice | null,
  to: TracedDevice,
): Operation<Cause> {
  if (from === null) return unknown(NOT_FOUND)
  const toExists = code !== 'EINVAL'
  const netns = yield* findNetnsByDevices({ from: from.index, to: to.index, toExists })
  if (typeof netns === 'string') return unknown(netns)
  const cause = yield* causeInNetns(place, code, { ...from, netns }, { ...to, netns })
  return { ...cause, assumedNetns: netns }
}
const NOT_FOUND =
  'no name, no process and no thread that may be looked at leads to its namespace; root may see more'

/** Why frames are lost where the kernel says no errno. */
const WITHOUT_ERRNO: Readonly<Record<TracePlace, (detail: number) => string>> = {
  xdp_redirect_err: () => 'refused without an errno',
  // Source: bq_xmit_all(), kernel/bpf/devmap.c; veth_xdp_xmit(), drivers/net/veth.c.
  xdp_devmap_xmit: () =>
    "the target's driver did not take all of a batch (its ring is full, or a frame too long), or a program in the devmap dropped them",
  xdp_bulk_tx: () => 'the other end did not take all of a batch: its ring is full, or a frame too long',
  // Source: bq_flush_to_queue() and cpu_map_kthread_run(), kernel/bpf/cpumap.c.
  xdp_cpumap_enqueue: () => "the CPU's queue is full",
  xdp_cpumap_kthread: () => 'no memory for a packet on the CPU',
  xdp_exception: act => EXCEPTION[act] ?? `the program's result ${act} is no action of XDP`,
}
/** By enum xdp_action, include/uapi/linux/bpf.h. */
const EXCEPTION: readonly string[] = [
  'the program returned XDP_ABORTED, as bpf_redirect_map() does for a key that the map has not',
  'XDP_DROP came to nothing',
  'XDP_PASS came to nothing: no memory for a packet',
  'XDP_TX came to nothing: the driver could not send it back',
  'XDP_REDIRECT came to nothing: the driver gave the frame up',
]
