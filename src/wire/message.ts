import type { AttributeIndex } from './decoder.ts'
import type { Subject } from './errors.ts'
import { NLM_F, NLMSG_HDRLEN } from './netlink.ts'
import { Writer } from './writer.ts'

/** What the kernel reads behind a message's own header, for naming the attribute it objects to. */
export interface Layout {
  /** Bytes between the struct nlmsghdr and the first attribute: the family's own header. */
  readonly header: number
  readonly table: AttributeIndex | null
}

/** A request being written: the netlink header, then whatever the family adds. */
export class Message extends Writer {
  readonly subject: Subject
  readonly protocol: number
  readonly layout: Layout

  /** flags: NLM_F_* beside NLM_F_REQUEST. */
  constructor(subject: Subject, protocol: number, type: number, flags: number, layout: Layout) {
    super()
    this.subject = subject
    this.protocol = protocol
    this.layout = layout
    this.u32(0) // nlmsg_len, patched by finish()
    this.u16(type)
    this.u16(flags | NLM_F.REQUEST)
    this.zeros(8) // nlmsg_seq and nlmsg_pid, filled in by whoever sends
  }

  /** The whole message, its length written into its header. */
  finish(): Uint8Array {
    this.patchU32(0, this.length)
    return this.bytes()
  }

  /** Where the attributes begin. */
  get attributesAt(): number {
    return NLMSG_HDRLEN + this.layout.header
  }
}
