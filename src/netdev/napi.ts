import { u32, uint } from '../wire/attribute.ts'
import type { IndexRef } from '../wire/device-ref.ts'
import { NetlinkError, UnsupportedError } from '../wire/errors.ts'
import type { Message } from '../wire/message.ts'
import { NLM_F } from '../wire/netlink.ts'
import type { Netns } from '../wire/netns.ts'
import type { Operation } from '../wire/operation.ts'
import { CountQuestion, type Question } from '../wire/question.ts'
import { dump } from '../wire/request.ts'
import { encodeAttributes, NO_UNKNOWN, table } from '../wire/table.ts'
import { netdevDump, netdevMessage, netdevReply } from './message.ts'

/** One NAPI instance of a device. Source: Documentation/netlink/specs/netdev.yaml (NETDEV_A_NAPI_*). */
export class Napi {
  unknown = NO_UNKNOWN
  index = 0
  /** Unique in the machine. */
  id = 0
  /** 0 when it has no interrupt of its own, as on a veth. */
  irq = 0
  /** The thread that polls it, 0 when it runs in softirq context. */
  pid = 0
  deferHardIrqs = 0
  /** Nanoseconds. */
  groFlushTimeout = 0n
  /** Nanoseconds. */
  irqSuspendTimeout = 0n
  threaded = 0
}
const NAPI = table<Napi>([
  [1, 'index', u32],
  [2, 'id', u32],
  [3, 'irq', u32],
  [4, 'pid', u32],
  [5, 'deferHardIrqs', u32],
  [6, 'groFlushTimeout', uint],
  [7, 'irqSuspendTimeout', uint],
  [8, 'threaded', u32],
])

/**
 * A device's NAPI instances: for a veth one per receive queue exactly while NAPI is on.
 * @throws UnsupportedError before Linux 6.8; NetlinkError ENODEV.
 */
export function* listNapi(ref: IndexRef): Operation<Napi[]> {
  const message = yield* napiMessage(ref)
  try {
    return yield* dump(message, netdevReply(Napi, NAPI))
  } catch (error) {
    // A family that does not know the command says so.
    if (error instanceof NetlinkError && error.code === 'EOPNOTSUPP') {
      throw new UnsupportedError("command 'napi-get' in the netdev family", '6.8')
    }
    throw error
  }
}

/** Those of all devices of a namespace. @throws NetlinkError EOPNOTSUPP before Linux 6.8. */
export function* listAllNapi(netns: Netns): Operation<Napi[]> {
  return yield* dump(yield* netdevDump('NAPI_GET', netns, NAPI), netdevReply(Napi, NAPI))
}

/** How many there are. @throws from its take() NetlinkError EOPNOTSUPP before Linux 6.8. */
export function* napiCountQuestion(ref: IndexRef): Operation<Question<number>> {
  return new CountQuestion(yield* napiMessage(ref))
}

function* napiMessage(ref: IndexRef): Operation<Message> {
  const message = yield* netdevMessage('NAPI_GET', ref, NAPI, NLM_F.DUMP)
  encodeAttributes(message, NAPI, { index: ref.device })
  return message
}
