import { DecodeError, SystemError } from '../wire/errors.ts'
import type { Operation } from '../wire/operation.ts'
import { readText } from '../wire/text.ts'
import { BpfAttr, bpf } from './command.ts'
import { withDescriptor } from './descriptor.ts'

const GET_NEXT_ID = { start_id: 0, next_id: 4, size: 12 } as const
const GET_FD_BY_ID = { btf_id: 0, size: 12 } as const
const OBJ_GET_INFO = { bpf_fd: 0, info_len: 4, info: 8, size: 16 } as const
/** struct bpf_btf_info. */
const BTF_INFO = { btf: 0, btf_size: 8, id: 12, name: 16, name_len: 24, kernel_btf: 28, size: 32 } as const
/** With the closing NUL. Source: MODULE_NAME_LEN, include/linux/moduleparam.h: 64 less a long's size. */
const MODULE_NAME_LEN = 64
/** A kernel's has some 6 MB, Source of the limit: BTF_MAX_SIZE, kernel/bpf/btf.c, for those that users load. */
const LARGEST = 64 << 20

/** BTF that the kernel itself has: 'vmlinux', or a module's, by the module's name. */
export interface KernelBtf {
  readonly id: number
  readonly name: string
}

/**
 * The kernel's own BTF and that of the modules which are loaded. Empty where it was built without, and before
 * Linux 5.11, where the kernel's had no id.
 * @throws SystemError EPERM without CAP_SYS_ADMIN, EINVAL before Linux 5.4.
 */
export function* listKernelBtf(): Operation<KernelBtf[]> {
  const list: KernelBtf[] = []
  for (let id = yield* nextId(0); id !== null; id = yield* nextId(id)) {
    const info = yield* unless(['ENOENT', NO_NAMES], withDescriptor(openBtf(id), getInfo))
    // What users load belongs to their programs and is not the kernel's.
    if (info?.ofKernel) list.push({ id, name: info.name })
  }
  return list
}

/** Whether that BTF is still loaded. Ids go round, so that one comes again only after two thousand million others. */
export function* isLoadedBtf(id: number): Operation<boolean> {
  return (yield* unless(['ENOENT'], withDescriptor(openBtf(id), nothing))) !== null
}

/** The raw BTF: some 6 MB for vmlinux. For a module it is split BTF, to be read with vmlinux's as its base. */
export function readKernelBtf(id: number): Operation<Uint8Array> {
  return withDescriptor(openBtf(id), readAll)
}

function* readAll(fd: number): Operation<Uint8Array> {
  const { size } = yield* getInfo(fd)
  if (size > LARGEST) throw new DecodeError(`BTF of ${size} bytes`, 0)
  const bytes = new Uint8Array(size)
  yield* getInfo(fd, bytes)
  return bytes
}

/**
 * BPF_OBJ_GET_INFO_BY_FD for BTF, with as much of its bytes as there is room for. Kernel 5.11 (name, kernel_btf).
 * Source: btf_get_info_by_fd(), kernel/bpf/btf.c.
 */
function* getInfo(fd: number, bytes = new Uint8Array(0)) {
  const name = new Uint8Array(MODULE_NAME_LEN)
  const info = OBJ_GET_INFO.size
  const attr = new BpfAttr(info, BTF_INFO.size)
    .u32(OBJ_GET_INFO.bpf_fd, fd)
    .u32(OBJ_GET_INFO.info_len, BTF_INFO.size)
    .pointerBehind(OBJ_GET_INFO.info)
    .pointer(info + BTF_INFO.btf, bytes)
    .u32(info + BTF_INFO.btf_size, bytes.length)
    .pointer(info + BTF_INFO.name, name)
    .u32(info + BTF_INFO.name_len, name.length)
  yield* bpf('BPF_OBJ_GET_INFO_BY_FD', attr)
  return {
    size: attr.readU32(info + BTF_INFO.btf_size),
    ofKernel: attr.readU32(info + BTF_INFO.kernel_btf) !== 0,
    name: readText(new DataView(name.buffer), 0, name.length),
  }
}

/** BPF_BTF_GET_NEXT_ID: the id after this one, or null. Kernel 5.4. */
function* nextId(id: number): Operation<number | null> {
  const attr = new BpfAttr(GET_NEXT_ID.size).u32(GET_NEXT_ID.start_id, id)
  const done = yield* unless(['ENOENT'], bpf('BPF_BTF_GET_NEXT_ID', attr))
  return done === null ? null : attr.readU32(GET_NEXT_ID.next_id)
}

/** BPF_BTF_GET_FD_BY_ID. Kernel 4.18. */
function openBtf(id: number): Operation<number> {
  return bpf('BPF_BTF_GET_FD_BY_ID', new BpfAttr(GET_FD_BY_ID.size).u32(GET_FD_BY_ID.btf_id, id))
}

/** Before 5.11 the struct bpf_btf_info ended before the name: all BTF with an id is users' then. */
const NO_NAMES = 'E2BIG'

/** null for these errors; ENOENT: modules and programs come and go meanwhile. */
function* unless<T>(codes: readonly string[], operation: Operation<T>): Operation<T | null> {
  try {
    return yield* operation
  } catch (error) {
    if (error instanceof SystemError && codes.includes(error.code)) return null
    throw error
  }
}

// biome-ignore lint/correctness/useYield: opening it was the question.
function* nothing(): Operation<true> {
  return true
}
