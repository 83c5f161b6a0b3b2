import { DecodeError, SystemError } from '../wire/errors.ts'
import { ask, type Operation } from '../wire/operation.ts'
import { Btf, BtfLookupError } from './btf.ts'
import { isLoadedBtf, listKernelBtf, readKernelBtf } from './kernel-btf.ts'

/** The kernel's types are not to be had, or hold what we do not understand. */
export class KernelTypesError extends Error {
  override name = 'KernelTypesError'
}

/** Whether it says that the types are not to be had, or are not as expected. */
export function isAboutKernelTypes(error: unknown): error is Error {
  return error instanceof KernelTypesError || error instanceof BtfLookupError || error instanceof DecodeError
}

interface Remembered {
  readonly layout: unknown
  /** The id of the module's BTF, or null where all of it is built in. */
  readonly module: number | null
}

/**
 * Where things are in the running kernel's structs, as `layoutIn` finds it in the kernel's types, with those of one
 * module on top where it is loaded as such. The types are read once in a kernel object (some 20 ms, and 6 MB for a
 * moment), and what was found is believed as long as that module stays loaded. Kernel 5.4, with a module 5.11 and
 * CAP_SYS_ADMIN.
 * @throws KernelTypesError, BtfLookupError, DecodeError; SystemError EPERM.
 */
export function* kernelLayout<L>(
  what: string,
  module: string | null,
  layoutIn: (types: Btf) => L,
): Operation<L> {
  const memory = yield* ask<'memory'>({ kind: 'memory' })
  const key = `where things are in ${what}`
  const known = memory.get(key) as Remembered | undefined
  if (known !== undefined && (known.module === null || (yield* isLoadedBtf(known.module)))) {
    return known.layout as L
  }
  const found = yield* readTypes(module)
  const layout = layoutIn(found.types)
  memory.set(key, { layout, module: found.module })
  return layout
}

function* readTypes(module: string | null): Operation<{ types: Btf; module: number | null }> {
  if (module === null) {
    const file = yield* readFile()
    if (file !== null) return { types: new Btf(file), module: null }
  }
  const list = yield* listKernelBtf()
  const idOf = (name: string) => list.find(btf => btf.name === name)?.id ?? null
  const vmlinux = idOf('vmlinux')
  if (vmlinux === null) {
    throw new KernelTypesError('the kernel gives out no BTF: it is older than Linux 5.11, or built without')
  }
  const core = new Btf(yield* readKernelBtf(vmlinux))
  const id = module === null ? null : idOf(module)
  return { types: id === null ? core : new Btf(yield* readKernelBtf(id), core), module: id }
}

/**
 * The kernel's own types are a file, too: older than their id, for which it takes Linux 5.11 and CAP_SYS_ADMIN. null
 * where it is not there, as without /sys. Source: kernel/bpf/sysfs_btf.c, Linux 5.4.
 */
function* readFile(): Operation<Uint8Array | null> {
  try {
    return yield* ask<'kernel file'>({ kind: 'kernel file', of: 'sysfs', path: 'kernel/btf/vmlinux' })
  } catch (error) {
    if (error instanceof SystemError) return null
    throw error
  }
}

/** The offset of a member, which must have that size in bytes (null: a pointer). @throws BtfLookupError */
export function offsetIn(types: Btf, struct: string, path: string, size: number | null = null): number {
  const { offset, type } = types.member(struct, path)
  if (types.sizeOf(type) !== size) throw new KernelTypesError(`${struct}.${path} is no longer what it was`)
  return offset
}

/** Our programs read addresses of 64 bits. A struct that is one pointer tells. @throws KernelTypesError */
export function check64Bit(types: Btf): void {
  if (types.structSize('hlist_head') !== 8) throw new KernelTypesError('this is a 32-bit kernel')
}
