import { errnoName } from '../wire/errno.ts'
import { LITTLE_ENDIAN } from '../wire/netlink.ts'
import type { Operation } from '../wire/operation.ts'
import { closeDescriptor, withDescriptor } from './descriptor.ts'
import { type BpfMap, createMap, readElements } from './map.ts'
import { loadProgram } from './program.ts'
import type { RedirectDevmap } from './redirect-devmap.ts'
import {
  devmapXmitCounter,
  KEY,
  REDIRECT,
  redirectCounter,
  redirectErrCounter,
  type Selection,
  type TracepointProgram,
  VALUE,
} from './redirect-programs.ts'
import { hasFewerArguments, openRawTracepoint } from './tracepoint.ts'

/** The redirects that ended in one way. */
export interface RedirectCount {
  /**
   * Where the kernel told: xdp_redirect_err refuses one frame before it is queued; xdp_devmap_xmit reports a batch
   * of queued frames after ndo_xdp_xmit().
   */
  readonly tracepoint: 'xdp:xdp_redirect_err' | 'xdp:xdp_devmap_xmit'
  /** 0, or the error, negative: -95. */
  readonly errno: number
  /** The error's name, 'EOPNOTSUPP'; null for none. */
  readonly code: string | null
  /** Frames that the device took. */
  readonly accepted: number
  /** Frames that were lost here; with errno 0 too, when the device took only part of a batch. */
  readonly refused: number
}

/** What became of the redirects that were counted. */
export interface RedirectTally {
  /** Of a devmap's frames only: those queued for the target's driver, or in generic mode handed to the target. */
  readonly redirected: number
  /** One entry per tracepoint and errno that occurred. */
  readonly outcomes: readonly RedirectCount[]
}

/** Programs at work. Gone with the process, if closeRedirectCounter() does not come first. */
export interface RedirectCounter {
  readonly map: BpfMap
  /** The links to the tracepoints. */
  readonly links: readonly number[]
  /** false once it is closed: its descriptors' numbers may be anybody's then. */
  open: boolean
}

/** One element per tracepoint and errno; there are some ten that can occur. One page, where memory is counted. */
const MAX_OUTCOMES = 32

/**
 * Begins to count how XDP redirects end, without BTF: exactly those by one devmap, or all of the machine, whatever
 * the namespace and device. Broadcasts to a devmap skip targets without a word and are not seen, nor are, of all the
 * machine's, generic-mode redirects that succeed. Kernel 5.6 (before it xdp_devmap_xmit has other arguments).
 * @throws ProgramError, SystemError (EPERM without CAP_BPF and CAP_PERFMON).
 */
export function* openRedirectCounter(by: RedirectDevmap | null): Operation<RedirectCounter> {
  const map = yield* createMap({
    type: 'HASH',
    name: 'veth_nl_redir',
    keySize: KEY.size,
    valueSize: VALUE.size,
    maxEntries: MAX_OUTCOMES,
  })
  try {
    const links = yield* by === null
      ? attachAll([redirectErrCounter(map.fd, null), devmapXmitCounter(map.fd, null)])
      : attachSelecting(map, by.key)
    return { map, links, open: true }
  } catch (error) {
    yield* closeDescriptor(map.fd)
    throw error
  }
}

/** The kernel refuses a program that reads more arguments than the tracepoint has, so the longer list is tried first. */
function* attachSelecting(map: BpfMap, key: number): Operation<number[]> {
  const underWay = yield* createMap({
    type: 'PERCPU_ARRAY',
    name: 'veth_nl_way',
    keySize: 4,
    valueSize: 8,
    maxEntries: 1,
  })
  const [index, earlier] = REDIRECT.index
  try {
    return yield* attachAll(counters(map, { key, index, underWay: underWay.fd }))
  } catch (error) {
    if (!hasFewerArguments(error)) throw error
    return yield* attachAll(counters(map, { key, index: earlier, underWay: underWay.fd }))
  } finally {
    yield* closeDescriptor(underWay.fd) // the programs keep it
  }
}

function counters({ fd }: BpfMap, selection: Selection): TracepointProgram[] {
  return [redirectCounter(fd, selection), redirectErrCounter(fd, selection), devmapXmitCounter(fd, selection)]
}

function* attachAll(sources: readonly TracepointProgram[]): Operation<number[]> {
  const links: number[] = []
  try {
    for (const { program, tracepoint } of sources) {
      // The link keeps the program.
      links.push(yield* withDescriptor(loadProgram(program), fd => openRawTracepoint(tracepoint, fd)))
    }
    return links
  } catch (error) {
    for (const link of links) yield* closeDescriptor(link)
    throw error
  }
}

/** What was counted since it was opened: one entry per tracepoint and errno that occurred. */
export function* readRedirectCounter(counter: RedirectCounter): Operation<RedirectCount[]> {
  return [...(yield* readRedirectTally(counter)).outcomes]
}

export function* readRedirectTally(counter: RedirectCounter): Operation<RedirectTally> {
  if (!counter.open) throw new Error('the redirect counter is closed')
  let redirected = 0
  const outcomes: RedirectCount[] = []
  for (const [key, value] of yield* readElements(counter.map)) {
    const count = redirectCount(key, value)
    if (count === null) redirected += u64(value, VALUE.accepted)
    else outcomes.push(count)
  }
  return { redirected, outcomes }
}

/** Stops counting; a second time does nothing. */
export function* closeRedirectCounter(counter: RedirectCounter): Operation<void> {
  if (!counter.open) return
  counter.open = false
  for (const link of counter.links) yield* closeDescriptor(link)
  yield* closeDescriptor(counter.map.fd)
}

/** By its number in the map. */
const TRACEPOINT: { readonly [number: number]: RedirectCount['tracepoint'] } = {
  [KEY.xdp_redirect_err]: 'xdp:xdp_redirect_err',
  [KEY.xdp_devmap_xmit]: 'xdp:xdp_devmap_xmit',
}

/** null for the redirects that have not ended yet. */
function redirectCount(key: Uint8Array, value: Uint8Array): RedirectCount | null {
  const keys = new DataView(key.buffer, key.byteOffset)
  const tracepoint = TRACEPOINT[keys.getUint32(KEY.tracepoint, LITTLE_ENDIAN)]
  if (tracepoint === undefined) return null
  const errno = keys.getInt32(KEY.errno, LITTLE_ENDIAN)
  return {
    tracepoint,
    errno,
    code: errno === 0 ? null : errnoName(errno),
    accepted: u64(value, VALUE.accepted),
    refused: u64(value, VALUE.refused),
  }
}

function u64(value: Uint8Array, at: number): number {
  return Number(new DataView(value.buffer, value.byteOffset).getBigUint64(at, LITTLE_ENDIAN))
}
