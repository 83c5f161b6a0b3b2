import { BPF_FUNC } from './helper.ts'
import { call, exit, mov, R0, R1, R2 } from './instruction.ts'
import type { ProgramSource } from './program.ts'

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
