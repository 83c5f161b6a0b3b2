import { withDescriptor } from '../bpf/descriptor.ts'
import { attachXdp } from '../bpf/link.ts'
import type { AttachMode } from '../rtnetlink/xdp-attach.ts'
import type { IndexRef } from '../wire/device-ref.ts'
import { netnsFrom } from '../wire/netns.ts'
import { ask, type Operation } from '../wire/operation.ts'
import { ETH_HLEN } from './frame-room.ts'
import { createVethPair, type NewVethEnd } from './pairs.ts'
import { refOf } from './peer.ts'

const DEFAULT_MTU = 1500

/**
 * Hands over one end of a veth pair, on whose other end a program runs: what is sent out of the first comes to the
 * program as from a wire. Both are in a network namespace that only a descriptor holds, so nobody meets them, and they
 * go with this process, however it ends. size: the longest frame, in bytes. Kernel 5.9.
 * @throws SystemError EPERM without CAP_SYS_ADMIN, and as attachXdp() does.
 */
export function* withProgramBehindWire<T>(
  program: number,
  mode: AttachMode,
  size: number,
  use: (wire: IndexRef) => Operation<T>,
): Operation<T> {
  return yield* withDescriptor(ask<'create netns'>({ kind: 'create netns', path: '' }), function* (fd) {
    const netns = netnsFrom({ fd })
    const mtu = Math.max(DEFAULT_MTU, size - ETH_HLEN)
    // The end to send by comes up last, so with a carrier: one that gets it later drops without a word what is sent
    // until a worker has given it its queue (noop_enqueue(), net/sched/sch_generic.c).
    const { target, peer } = yield* createVethPair(netns, end('f1', mtu), end('f0', mtu))
    return yield* withDescriptor(attachXdp(program, target.link.index, mode, netns), () => use(refOf(peer)))
  })
}

/** With one queue, whatever the number of processors: a native program needs as many to receive as the other end to send. */
function end(name: string, mtu: number): NewVethEnd {
  return { name, netns: null, up: true, mtu, address: null, rxQueues: 1, txQueues: 1, addrGenMode: null }
}
