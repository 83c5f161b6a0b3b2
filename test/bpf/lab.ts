import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { runSync } from '../../src/kernel/kernel.ts'
import { SyncKernel } from '../../src/kernel/sync-kernel.ts'
import { type Netns, netnsFrom } from '../../src/wire/netns.ts'
import { ask, type Operation } from '../../src/wire/operation.ts'
import { kernelHas } from '../tools/kernel-needs.ts'

export { kernelHas }

/** Why a test that loads programs cannot run here, or false. */
export const noBpf: string | false = process.getuid?.() === 0 ? false : 'needs root'
/** Why a test in a namespace of its own cannot run here, or false. */
export const noLab: string | false = noBpf || (works('ip', ['-V']) ? false : 'needs ip, of iproute2')
/** Why a test that sends live frames cannot run here, or false. */
export const noLiveFrames: string | false =
  noLab || (kernelHas(5, 18) ? false : 'needs live frames, Linux 5.18')
/** Why a test that reads the kernel's types cannot run here, or false. */
export const noKernelBtf: string | false = existsSync('/sys/kernel/btf/vmlinux')
  ? false
  : 'needs a kernel with BTF (CONFIG_DEBUG_INFO_BTF)'

/** Ethernet to everyone from a local address, of the type for experiments; 60 bytes, the shortest. */
export const FRAME = new Uint8Array(60)
FRAME.set([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0, 0, 0, 0, 1, 0x88, 0xb5])

let kernel: SyncKernel | null = null

/** Runs an operation on the real kernel. */
export function real<T>(operation: Operation<T>): T {
  kernel ??= new SyncKernel()
  return runSync(operation, kernel)
}

/** A namespace with nothing but a veth pair, target vt and peer vp, both up. Gone when it is closed. */
export class Lab {
  readonly netns: Netns
  readonly target: number
  readonly peer: number
  readonly #fd: number

  constructor() {
    this.#fd = real(ask({ kind: 'create netns', path: '' }))
    this.netns = netnsFrom({ fd: this.#fd })
    this.ip('link', 'add', 'vt', 'type', 'veth', 'peer', 'name', 'vp')
    this.ip('link', 'set', 'vt', 'up')
    this.ip('link', 'set', 'vp', 'up')
    this.target = this.link('vt').ifindex
    this.peer = this.link('vp').ifindex
  }

  /** Runs ip(8) inside. */
  ip(...words: string[]): string {
    const netns = `--net=/proc/${process.pid}/fd/${this.#fd}`
    return execFileSync('nsenter', [netns, 'ip', ...words], { encoding: 'utf8' })
  }

  link(name: string): { ifindex: number; xdp?: { mode: number }; stats64: { rx: { packets: number } } } {
    return JSON.parse(this.ip('-json', '-stats', 'link', 'show', name))[0]
  }

  close(): void {
    real(ask({ kind: 'close', fd: this.#fd }))
  }
}

function works(command: string, words: string[]): boolean {
  try {
    execFileSync(command, words, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
