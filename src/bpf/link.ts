import type { Netns } from '../wire/netns.ts'
import type { Operation } from '../wire/operation.ts'
import { BpfAttr, bpf } from './command.ts'
import { BPF_ATTACH_TYPE } from './program.ts'

/** XDP_FLAGS_SKB_MODE and XDP_FLAGS_DRV_MODE. Source: include/uapi/linux/if_link.h. */
const XDP_FLAGS = { generic: 1 << 1, native: 1 << 2 } as const

const LINK_CREATE = { prog_fd: 0, target_ifindex: 4, attach_type: 8, flags: 12, size: 16 } as const

/**
 * BPF_LINK_CREATE for XDP: attaches a program to a device until the descriptor answered is closed, so that a
 * program which dies leaves nothing behind. The device may go away before it: the link is empty then. Kernel 5.9.
 * @throws SystemError with no extended ack, unlike RTM_SETLINK: EINVAL when the device is not there or this kernel
 * has no such links, EBUSY when another link holds the mode, EEXIST when a program is in the other mode or was
 * attached without a link, EOPNOTSUPP when the driver has no native mode, and the driver's own (veth: ERANGE,
 * ENOSPC). Source: bpf_xdp_link_attach() and dev_xdp_attach(), net/core/dev.c.
 */
export function attachXdp(
  program: number,
  ifindex: number,
  mode: keyof typeof XDP_FLAGS,
  netns: Netns,
): Operation<number> {
  const attr = new BpfAttr(LINK_CREATE.size)
    .u32(LINK_CREATE.prog_fd, program)
    .u32(LINK_CREATE.target_ifindex, ifindex)
    .u32(LINK_CREATE.attach_type, BPF_ATTACH_TYPE.XDP)
    .u32(LINK_CREATE.flags, XDP_FLAGS[mode])
  return bpf('BPF_LINK_CREATE', attr, netns)
}
