import { SystemError } from '../wire/errors.ts'
import { LITTLE_ENDIAN } from '../wire/netlink.ts'
import { type Netns, OWN_NETNS } from '../wire/netns.ts'
import { ask, type Operation } from '../wire/operation.ts'

/** enum bpf_cmd. Source: include/uapi/linux/bpf.h. */
export const BPF_CMD = {
  BPF_MAP_CREATE: 0,
  BPF_MAP_LOOKUP_ELEM: 1,
  BPF_MAP_UPDATE_ELEM: 2,
  BPF_MAP_GET_NEXT_KEY: 4,
  BPF_PROG_LOAD: 5,
  BPF_OBJ_GET: 7,
  BPF_PROG_TEST_RUN: 10,
  BPF_PROG_GET_FD_BY_ID: 13,
  BPF_OBJ_GET_INFO_BY_FD: 15,
  BPF_RAW_TRACEPOINT_OPEN: 17,
  BPF_BTF_GET_FD_BY_ID: 19,
  BPF_BTF_GET_NEXT_ID: 23,
  BPF_MAP_LOOKUP_AND_DELETE_BATCH: 25,
  BPF_LINK_CREATE: 28,
} as const
export type BpfCommand = keyof typeof BPF_CMD

/** The commands that leave nothing behind, no descriptor either. */
const READS: ReadonlySet<BpfCommand> = new Set<BpfCommand>([
  'BPF_MAP_LOOKUP_ELEM',
  'BPF_MAP_GET_NEXT_KEY',
  'BPF_OBJ_GET_INFO_BY_FD',
  'BPF_BTF_GET_NEXT_ID',
])

/**
 * One bpf(2) call; answers what it returned. It acts in the caller's namespace where devices are concerned,
 * hence `netns`.
 * @throws SystemError with syscall 'bpf BPF_…'; EPERM names the capabilities.
 */
export function* bpf(command: BpfCommand, attr: BpfAttr, netns: Netns = OWN_NETNS): Operation<number> {
  try {
    return yield* ask({
      kind: 'bpf',
      netns,
      command: BPF_CMD[command],
      attr: attr.bytes,
      pointers: attr.pointers,
      writes: !READS.has(command),
    })
  } catch (error) {
    // The way into the namespace can fail too: that error names its own call.
    if (error instanceof SystemError && error.syscall === 'bpf') {
      throw new SystemError(error.errno, `bpf ${command}`, error.code === 'EPERM' ? needs(command) : '')
    }
    throw error
  }
}

/** Source: Documentation/admin-guide/sysctl/kernel.rst (unprivileged_bpf_disabled), kernel/bpf/syscall.c. */
function needs(command: BpfCommand): string {
  if (BY_ID.has(command)) return 'needs CAP_SYS_ADMIN'
  const further = FURTHER_CAPABILITY[command]
  const memory = LOCKS_MEMORY.has(command)
    ? ', and before Linux 5.11 an RLIMIT_MEMLOCK that is not used up (ulimit -l unlimited)'
    : ''
  return `needs CAP_BPF${further === undefined ? '' : ` and ${further}`} (before Linux 5.8 CAP_SYS_ADMIN)${memory}`
}

/** What answers EPERM, too, where the user's locked memory would exceed the limit: bpf_charge_memlock(), in 5.10. */
const LOCKS_MEMORY: ReadonlySet<BpfCommand> = new Set<BpfCommand>(['BPF_MAP_CREATE', 'BPF_PROG_LOAD'])

/** They reach what others loaded. */
const BY_ID: ReadonlySet<BpfCommand> = new Set<BpfCommand>([
  'BPF_PROG_GET_FD_BY_ID',
  'BPF_BTF_GET_FD_BY_ID',
  'BPF_BTF_GET_NEXT_ID',
])

const FURTHER_CAPABILITY: { readonly [command in BpfCommand]?: string } = {
  BPF_MAP_CREATE: 'CAP_NET_ADMIN for devmaps',
  BPF_PROG_LOAD: 'CAP_NET_ADMIN for XDP, CAP_PERFMON for tracepoints',
  BPF_LINK_CREATE: 'CAP_NET_ADMIN',
  BPF_RAW_TRACEPOINT_OPEN: 'CAP_PERFMON',
}

/**
 * A union bpf_attr, from its start to the last field used. The kernel takes the rest as zero, and refuses (E2BIG,
 * EINVAL) what is not zero and not known to it.
 */
export class BpfAttr {
  readonly bytes: Uint8Array
  readonly pointers: [at: number, to: Uint8Array][] = []
  readonly #view: DataView
  readonly #size: number

  /** `behind`: the size of a struct behind the union that has addresses too; its fields' offsets start at `size`. */
  constructor(size: number, behind = 0) {
    this.#size = size
    this.bytes = new Uint8Array(size + behind)
    this.#view = new DataView(this.bytes.buffer)
  }

  u32(at: number, value: number): this {
    this.#view.setUint32(at, value, LITTLE_ENDIAN)
    return this
  }

  u64(at: number, value: bigint): this {
    this.#view.setBigUint64(at, value, LITTLE_ENDIAN)
    return this
  }

  /** The address of a buffer; empty ones stay a null pointer. */
  pointer(at: number, to: Uint8Array): this {
    if (to.length > 0) this.pointers.push([at, to])
    return this
  }

  /** The address of the struct behind the union. */
  pointerBehind(at: number): this {
    return this.pointer(at, this.bytes.subarray(this.#size))
  }

  /** The address of a NUL-terminated string. */
  string(at: number, text: string): this {
    if (text.includes('\0')) throw new TypeError('a string for bpf(2) must not contain a NUL byte')
    return this.pointer(at, new TextEncoder().encode(`${text}\0`))
  }

  /** char[BPF_OBJ_NAME_LEN] in place. Longer names are cut as the kernel cuts comm names. */
  name(at: number, text: string): this {
    if (!/^[A-Za-z0-9_.]*$/.test(text))
      throw new TypeError(`'${text}' is no name for a BPF object: use A-Z a-z 0-9 _ .`)
    new TextEncoder().encodeInto(text.slice(0, BPF_OBJ_NAME_LEN - 1), this.bytes.subarray(at))
    return this
  }

  /** Reads a field that the kernel wrote. */
  readU32(at: number): number {
    return this.#view.getUint32(at, LITTLE_ENDIAN)
  }
}

/** With its closing NUL. */
export const BPF_OBJ_NAME_LEN = 16
