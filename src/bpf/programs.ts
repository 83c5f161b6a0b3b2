import { LITTLE_ENDIAN } from '../wire/netlink.ts'
import { type Line, label } from './assembler.ts'
import { BPF_FUNC } from './helper.ts'
import { add, alu32, call, exit, jump, load, loadMapFd, mov, R0, R1, R2, R3, R4 } from './instruction.ts'
import type { ProgramSource } from './program.ts'
import type { RedirectDevmap } from './redirect-devmap.ts'

/** enum xdp_action. Source: include/uapi/linux/bpf.h. */
export const XDP_ACTION = { ABORTED: 0, DROP: 1, PASS: 2, TX: 3, REDIRECT: 4 } as const

/** The licence of our programs. The kernel does not count it as GPL-compatible; no helper they call needs that. */
export const PROGRAM_LICENSE = 'MIT'

/** Lets every frame go up the stack. Attached natively to a veth it gives that end NAPI. */
export function xdpPass(): ProgramSource {
  return {
    type: 'XDP',
    name: 'veth_nl_pass',
    license: PROGRAM_LICENSE,
    code: [mov(R0, XDP_ACTION.PASS), exit()],
  }
}

/** Drops every frame. */
export function xdpDrop(): ProgramSource {
  return {
    type: 'XDP',
    name: 'veth_nl_drop',
    license: PROGRAM_LICENSE,
    code: [mov(R0, XDP_ACTION.DROP), exit()],
  }
}

/**
 * Sends every frame to a device of the namespace that it came in by. The program always returns XDP_REDIRECT:
 * whether the device is there and takes the frame shows only afterwards. Kernel 4.14.
 * Source: bpf_xdp_redirect(), net/core/filter.c.
 */
export function xdpRedirect(ifindex: number): ProgramSource {
  const code = [mov(R1, ifindex), mov(R2, 0), call(BPF_FUNC.redirect), exit()]
  return { type: 'XDP', name: 'veth_nl_redir', license: PROGRAM_LICENSE, code }
}

/**
 * Sends every frame to the device under a key of a devmap, whatever namespace that is in. Kernel 5.4.
 * Source: bpf_xdp_redirect_map(), net/core/filter.c.
 */
export function xdpRedirectMap({ fd, key }: RedirectDevmap): ProgramSource {
  const code = [...redirectBy(fd, key), exit()]
  return { type: 'XDP', name: 'veth_nl_devmap', license: PROGRAM_LICENSE, code }
}

/**
 * Sends frames of one Ethernet type to the device under a key of a devmap, whatever namespace that is in, and drops
 * others, such as IPv6 sends of itself. Kernel 5.4; with frames in several buffers 5.18.
 * Source: bpf_xdp_redirect_map(), net/core/filter.c.
 */
export function xdpRedirectType(
  etherType: number,
  { fd, key }: RedirectDevmap,
  hasFrags: boolean,
): ProgramSource {
  const code = [
    load('W', R2, R1, XDP_MD.data),
    load('W', R3, R1, XDP_MD.data_end),
    mov(R4, R2),
    add(R4, ETH.size),
    jump('JGT', R4, R3, 'drop'),
    load('H', R4, R2, ETH.type),
    jump('JNE', R4, LITTLE_ENDIAN ? swap16(etherType) : etherType, 'drop'),
    ...redirectBy(fd, key),
    exit(),
    label('drop'),
    mov(R0, XDP_ACTION.DROP),
    exit(),
  ]
  return { type: 'XDP', name: 'veth_nl_probe', license: PROGRAM_LICENSE, code, hasFrags }
}

/** R0 = what the program is to return. */
function redirectBy(map: number, key: number): Line[] {
  return [
    loadMapFd(R1, map),
    alu32('MOV', R2, key | 0), // an immediate is signed
    mov(R3, XDP_ACTION.DROP), // where the map has no such key
    call(BPF_FUNC.redirect_map),
  ]
}

/** struct xdp_md. */
const XDP_MD = { data: 0, data_end: 4 } as const
/** An Ethernet header. */
const ETH = { type: 12, size: 14 } as const

function swap16(value: number): number {
  return ((value & 0xff) << 8) | (value >> 8)
}
