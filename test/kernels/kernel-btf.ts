import { statSync } from 'node:fs'
import { SystemError } from '../../src/wire/errors.ts'
import { OWN_NETNS } from '../../src/wire/netns.ts'
import { ask, type Operation } from '../../src/wire/operation.ts'
import { real } from '../tools/real.ts'

/** enum bpf_cmd. */
const BPF = { OBJ_GET_INFO_BY_FD: 15, BTF_GET_FD_BY_ID: 19, BTF_GET_NEXT_ID: 23 } as const
/** struct bpf_btf_info, in words: btf_size, and from Linux 5.11 kernel_btf. */
const INFO = { size: 2, kernel: 7, words: 8 } as const

/** Whether the BTF that /sys/kernel/btf shows under a name is to be had by bpf(2) too, without the file. */
export function hasKernelBtf(name: string): boolean {
  const size = statSync(`/sys/kernel/btf/${name}`, { throwIfNoEntry: false })?.size
  return size !== undefined && real(kernelBtfSizes()).includes(size)
}

/** The sizes of the kernel's own BTF objects, its modules' too. */
function* kernelBtfSizes(): Operation<number[]> {
  const sizes: number[] = []
  for (let id = yield* nextId(0); id !== null; id = yield* nextId(id)) {
    const fd = yield* bpf(BPF.BTF_GET_FD_BY_ID, Uint32Array.of(id))
    const info = new Uint32Array(INFO.words)
    const pointers = [[8, new Uint8Array(info.buffer)]] as const
    yield* bpf(BPF.OBJ_GET_INFO_BY_FD, Uint32Array.of(fd, info.byteLength, 0, 0), pointers)
    yield* ask({ kind: 'close', fd })
    if (info[INFO.kernel] === 1) sizes.push(info[INFO.size]!)
  }
  return sizes
}

function* nextId(id: number): Operation<number | null> {
  const attr = Uint32Array.of(id, 0, 0)
  try {
    yield* bpf(BPF.BTF_GET_NEXT_ID, attr)
    return attr[1]!
  } catch (error) {
    if (error instanceof SystemError && error.code === 'ENOENT') return null
    throw error
  }
}

function bpf(
  command: number,
  words: Uint32Array,
  pointers: readonly (readonly [at: number, to: Uint8Array])[] = [],
): Operation<number> {
  const attr = new Uint8Array(words.buffer)
  return ask({ kind: 'bpf', netns: OWN_NETNS, command, attr, pointers, writes: false })
}
