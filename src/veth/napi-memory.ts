import type { Btf } from '../bpf/btf.ts'
import { withDescriptor } from '../bpf/descriptor.ts'
import { check64Bit, isAboutKernelTypes, kernelLayout, offsetIn } from '../bpf/kernel-layout.ts'
import { type BpfMap, createMap, lookupElement, type MapShape } from '../bpf/map.ts'
import { loadProgram } from '../bpf/program.ts'
import { testRunRawTracepoint } from '../bpf/test-run.ts'
import { deviceLabel, type IndexRef } from '../wire/device-ref.ts'
import { SystemError } from '../wire/errors.ts'
import { LITTLE_ENDIAN } from '../wire/netlink.ts'
import { netnsLabel } from '../wire/netns.ts'
import type { Operation } from '../wire/operation.ts'
import {
  ENDED,
  MOST_HOPS,
  QUEUES_PER_RUN,
  RESULT,
  type VethLayout,
  vethNapiReader,
} from './napi-memory-program.ts'

/** One end of a veth, as the kernel's memory has it. */
export interface EndNapi {
  /** In its own namespace, which need not be within reach. */
  readonly ifindex: number
  /** For each receive queue in use whether it has NAPI; for all of them or none, but while that changes. */
  readonly queues: readonly boolean[]
}

/** Both ends, of up to 32 queues at one moment; or why this kernel or this user's privileges give no way to look. */
export type NapiInMemory =
  | { readonly own: EndNapi; readonly peer: EndNapi }
  | { readonly unavailable: string }

const ENODEV = 19
/** Source: rtnl_create_link(), net/core/rtnetlink.c. */
const MOST_QUEUES = 4096
const KEY_SIZE = 4
const RESULT_MAP: MapShape = {
  type: 'ARRAY',
  name: 'veth_nl_napi',
  keySize: KEY_SIZE,
  valueSize: RESULT.size,
  maxEntries: 1,
}

/**
 * Which receive queues of a veth and of its peer have NAPI, out of the kernel's own memory: for kernels that do not
 * tell (napi-get came in 6.8), and for a peer whose namespace cannot be entered. No frame is sent and nothing is
 * attached. The caller has made sure that the device is a veth.
 *
 * It takes Linux 5.13 with BTF, of veth too where that is a module; CAP_SYS_ADMIN in the machine's own user namespace,
 * which stands for CAP_BPF and CAP_PERFMON; and a kernel that is not locked down (confidentiality). Some 3 ms, mostly
 * the verifier's. The first time in a kernel object the types are read: some 20 ms, and 6 MB for a moment; of them only
 * the offsets are remembered.
 * @throws SystemError ENODEV when there is no such device; what keeps one from entering the namespace.
 */
export function* readNapiFromMemory(ref: IndexRef): Operation<NapiInMemory> {
  try {
    return yield* read(yield* vethLayout(), ref)
  } catch (error) {
    if (meansUnavailable(error)) return { unavailable: error.message }
    throw error
  }
}

/** The device asked for is not there: an answer, unlike all else that bpf(2) may say. */
class NoDevice extends SystemError {}
/** The kernel's structs are there and hold what we do not understand. */
class Unreadable extends Error {}

function meansUnavailable(error: unknown): error is Error {
  if (error instanceof NoDevice) return false
  if (error instanceof SystemError) return error.syscall.startsWith('bpf ')
  return error instanceof Unreadable || isAboutKernelTypes(error)
}

function* read(layout: VethLayout, ref: IndexRef): Operation<NapiInMemory> {
  const map = yield* createMap(RESULT_MAP)
  return yield* withDescriptor(opened(map.fd), () =>
    withDescriptor(loadProgram(vethNapiReader(map.fd, layout)), program => readQueues(map, program, ref)),
  )
}

// biome-ignore lint/correctness/useYield: it is open already.
function* opened(fd: number): Operation<number> {
  return fd
}

/** The program looks at so many queues at a time. */
function* readQueues(map: BpfMap, program: number, ref: IndexRef): Operation<NapiInMemory> {
  let [own, peer] = yield* runReader(map, program, ref, 0)
  for (let first = QUEUES_PER_RUN; first < Math.max(own.rx, peer.rx); first += QUEUES_PER_RUN) {
    const [moreOwn, morePeer] = yield* runReader(map, program, ref, first)
    own = { ...moreOwn, queues: [...own.queues, ...moreOwn.queues] }
    peer = { ...morePeer, queues: [...peer.queues, ...morePeer.queues] }
  }
  return { own: endNapi(own), peer: endNapi(peer) }
}

function endNapi({ ifindex, queues }: EndNapi): EndNapi {
  return { ifindex, queues }
}

function* runReader(map: BpfMap, program: number, ref: IndexRef, first: number) {
  const ended = yield* testRunRawTracepoint(program, [BigInt(ref.device), BigInt(first)], ref.netns)
  if (ended === ENDED.NO_DEVICE) {
    const where = `device ${deviceLabel(ref)} in ${netnsLabel(ref.netns)}`
    throw new NoDevice(ENODEV, 'bpf BPF_PROG_TEST_RUN', where)
  }
  if (ended !== ENDED.READ) throw new Unreadable(REASONS[ended] ?? `the program ended with ${ended}`)
  const value = yield* lookupElement(map, new Uint8Array(KEY_SIZE))
  if (value === null) throw new Unreadable('the program left no result')
  const view = new DataView(value.buffer)
  return [endAt(view, RESULT.own, first), endAt(view, RESULT.peer, first)] as const
}

const REASONS: Readonly<Record<number, string>> = {
  [ENDED.UNREADABLE]: "the kernel's memory could not be read where its types say that a veth is",
  [ENDED.TOO_MANY_DEVICES]: `more than ${MOST_HOPS} devices share a hash chain`,
  [ENDED.NO_VETH]: "the device does not look like a veth with a peer, by the kernel's types",
}

/** What one run tells of an end: of how many queues in all, and of some from `first` on. */
function endAt(view: DataView, at: number, first: number): EndNapi & { rx: number } {
  const ifindex = view.getUint32(at + RESULT.end.ifindex, LITTLE_ENDIAN)
  const rx = view.getUint32(at + RESULT.end.rx, LITTLE_ENDIAN)
  if (rx > MOST_QUEUES) throw new Unreadable(`a veth with ${rx} receive queues cannot be`)
  const length = Math.min(Math.max(rx - first, 0), QUEUES_PER_RUN)
  const queues = Array.from({ length }, (_, queue) => view.getUint8(at + RESULT.end.napi + queue) !== 0)
  return { ifindex, rx, queues }
}

function vethLayout(): Operation<VethLayout> {
  return kernelLayout('a veth', 'veth', layoutIn)
}

/** Source: net/core/dev.c (dev_index_hash()), include/linux/netdevice.h, include/net/net_namespace.h, drivers/net/veth.c. */
function layoutIn(types: Btf): VethLayout {
  check64Bit(types)
  const at = (struct: string, member: string, size?: number) => offsetIn(types, struct, member, size)
  return {
    task_struct: { nsproxy: at('task_struct', 'nsproxy') },
    nsproxy: { net_ns: at('nsproxy', 'net_ns') },
    net: { dev_index_head: at('net', 'dev_index_head') },
    net_device: {
      ifindex: at('net_device', 'ifindex', 4),
      index_hlist: at('net_device', 'index_hlist', 16),
      real_num_rx_queues: at('net_device', 'real_num_rx_queues', 4),
      priv: privOffset(types),
    },
    veth_priv: { peer: at('veth_priv', 'peer'), rq: at('veth_priv', 'rq') },
    veth_rq: {
      napi: at('veth_rq', 'napi'),
      dev: at('veth_rq', 'dev'),
      size: types.structSize('veth_rq'),
    },
  }
}

/** netdev_priv(): behind the struct, aligned to NETDEV_ALIGN; a member of it in newer kernels (6.12, not 6.1). */
function privOffset(types: Btf): number {
  if (types.hasMember('net_device', 'priv')) return types.memberOffset('net_device', 'priv')
  return (types.structSize('net_device') + 31) & ~31
}
