import type { IndexRef } from '../wire/device-ref.ts'
import type { Operation } from '../wire/operation.ts'
import { setLink } from './link-operations.ts'
import { XDP_FLAGS } from './xdp-state.ts'

/** The modes in which a program can be asked to run. */
export type AttachMode = 'native' | 'generic'
const MODE_FLAG = { native: XDP_FLAGS.DRV_MODE, generic: XDP_FLAGS.SKB_MODE } as const

/** What a program must find in its place: nothing, or the program behind a descriptor. */
export type Expected = 'nothing' | { readonly fd: number }

/**
 * RTM_SETLINK with IFLA_XDP: attaches a program, which then stays until it is detached or the device goes away.
 * @throws NetlinkError EBUSY when another program is there, EEXIST when one is there in the other mode,
 * EOPNOTSUPP when the driver has no native mode; a veth's own: ERANGE (the peer's MTU), ENOSPC (its queues).
 * Source: dev_xdp_install(), net/core/dev.c; veth_xdp_set(), drivers/net/veth.c.
 */
export function* attachXdp(
  ref: IndexRef,
  program: number,
  mode: AttachMode,
  expected: Expected,
): Operation<void> {
  const place =
    expected === 'nothing'
      ? { flags: MODE_FLAG[mode] | XDP_FLAGS.UPDATE_IF_NOEXIST, expectedFd: null }
      : { flags: MODE_FLAG[mode] | XDP_FLAGS.REPLACE, expectedFd: expected.fd }
  yield* setLink(ref, { xdp: { fd: program, ...place } })
}

/** Detaches a program if it is the one behind the descriptor. @throws NetlinkError EEXIST when it is not. */
export function* detachXdp(ref: IndexRef, mode: AttachMode, program: number): Operation<void> {
  yield* attachXdp(ref, -1, mode, { fd: program })
}
