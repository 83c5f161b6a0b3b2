import { errnoName } from '../wire/errno.ts'
import { LITTLE_ENDIAN } from '../wire/netlink.ts'
import type { Operation } from '../wire/operation.ts'
import { closeDescriptor, withDescriptor } from './descriptor.ts'
import { type BpfMap, createMap, readElements } from './map.ts'
import { loadProgram } from './program.ts'
import { devmapXmitCounter, KEY, type Owner, redirectErrCounter, VALUE } from './redirect-programs.ts'
import { openRawTracepoint } from './tracepoint.ts'

export type { Owner } from './redirect-programs.ts'

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

/** Two programs at work. Gone with the process, if closeRedirectCounter() does not come first. */
export interface RedirectCounter {
  readonly map: BpfMap
  /** The links to the two tracepoints. */
  readonly links: readonly number[]
  /** false once it is closed: its descriptors' numbers may be anybody's then. */
  open: boolean
}

/** One element per tracepoint and errno; there are some ten that can occur. */
const MAX_OUTCOMES = 64

/**
 * Begins to count how XDP redirects end, without BTF. Of all namespaces and devices, or with an owner only what
 * happens while a thread of this process runs, as live frames do; a NIC's softirq that interrupts the thread is
 * counted too. Broadcasts to a devmap skip targets without a word and are not seen, nor are generic-mode redirects
 * that succeed. Kernel 5.6 (before it xdp_devmap_xmit has other arguments), with an owner 5.7.
 * @throws ProgramError, SystemError (EPERM without CAP_BPF and CAP_PERFMON).
 */
export function* openRedirectCounter(owner: Owner | null): Operation<RedirectCounter> {
  const map = yield* createMap({
    type: 'HASH',
    name: 'veth_nl_redir',
    keySize: KEY.size,
    valueSize: VALUE.size,
    maxEntries: MAX_OUTCOMES,
  })
  const links: number[] = []
  try {
    for (const source of [redirectErrCounter(map.fd, owner), devmapXmitCounter(map.fd, owner)]) {
      // The link keeps the program.
      links.push(
        yield* withDescriptor(loadProgram(source.program), program =>
          openRawTracepoint(source.tracepoint, program),
        ),
      )
    }
    return { map, links, open: true }
  } catch (error) {
    yield* closeRedirectCounter({ map, links, open: true })
    throw error
  }
}

/** What was counted since it was opened: one entry per tracepoint and errno that occurred. */
export function* readRedirectCounter(counter: RedirectCounter): Operation<RedirectCount[]> {
  if (!counter.open) throw new Error('the redirect counter is closed')
  const elements = yield* readElements(counter.map)
  return elements.map(([key, value]) => redirectCount(key, value))
}

/** Stops counting; a second time does nothing. */
export function* closeRedirectCounter(counter: RedirectCounter): Operation<void> {
  if (!counter.open) return
  counter.open = false
  for (const link of counter.links) yield* closeDescriptor(link)
  yield* closeDescriptor(counter.map.fd)
}

function redirectCount(key: Uint8Array, value: Uint8Array): RedirectCount {
  const keys = new DataView(key.buffer, key.byteOffset)
  const values = new DataView(value.buffer, value.byteOffset)
  const errno = keys.getInt32(KEY.errno, LITTLE_ENDIAN)
  return {
    tracepoint:
      keys.getUint32(KEY.tracepoint, LITTLE_ENDIAN) === KEY.xdp_redirect_err
        ? 'xdp:xdp_redirect_err'
        : 'xdp:xdp_devmap_xmit',
    errno,
    code: errno === 0 ? null : errnoName(errno),
    accepted: Number(values.getBigUint64(VALUE.accepted, LITTLE_ENDIAN)),
    refused: Number(values.getBigUint64(VALUE.refused, LITTLE_ENDIAN)),
  }
}
