import type { AttributeIndex } from '../wire/decoder.ts'
import type { Subject } from '../wire/errors.ts'
import { Message } from '../wire/message.ts'
import { NETLINK_GENERIC, NLM_F } from '../wire/netlink.ts'
import type { Operation } from '../wire/operation.ts'
import { type FamilyName, familyId, GENL_HDRLEN, writeGenericHeader } from './controller.ts'

/** A command to a family, ready for its attributes; acknowledged when it writes, else answered. */
export function* genericMessage(
  family: FamilyName,
  command: number,
  subject: Subject,
  table: AttributeIndex,
  flags = 0,
): Operation<Message> {
  const type = yield* familyId(family)
  const ack = subject.writes ? NLM_F.ACK : 0
  const message = new Message(subject, NETLINK_GENERIC, type, flags | ack, { header: GENL_HDRLEN, table })
  writeGenericHeader(message, command, family.version)
  return message
}
