import { errnoName, errnoText } from './errno.ts'
import { type Netns, netnsLabel } from './netns.ts'

/** A system call that failed; reads like Node's own system errors. */
export class SystemError extends Error {
  override name = 'SystemError'
  /** The kernel's name of the error: 'EPERM'. */
  readonly code: string
  /** Its number, negative as in the kernel and in Node: -1. */
  readonly errno: number
  /** What was asked: 'RTM_NEWLINK', 'setns', 'bpf'. */
  readonly syscall: string

  constructor(errno: number, syscall: string, detail = '') {
    const code = errnoName(errno)
    super(`${code}: ${errnoText(errno)}, ${syscall}${detail === '' ? '' : `: ${detail}`}`)
    this.code = code
    this.errno = -Math.abs(errno)
    this.syscall = syscall
  }
}

/** What the kernel adds to a refusal. Source: enum nlmsgerr_attrs, include/uapi/linux/netlink.h. */
export interface ExtendedAck {
  /** NLMSGERR_ATTR_MSG: the kernel's own sentence, or ''. */
  readonly message: string
  /** NLMSGERR_ATTR_OFFS: where in the request the attribute at fault begins, or null. */
  readonly offset: number | null
  /** NLMSGERR_ATTR_MISS_TYPE: the attribute that was expected and not there, or null. */
  readonly missing: number | null
  /** NLMSGERR_ATTR_MISS_NEST: the offset of the nest in which it was expected, or null for the top level. */
  readonly missingIn: number | null
}

export const NO_EXTENDED_ACK: ExtendedAck = { message: '', offset: null, missing: null, missingIn: null }

/** What a request was about, for the errors it may meet. */
export interface Subject {
  /** The message's name in the kernel: 'RTM_GETLINK', 'ETHTOOL_MSG_FEATURES_SET'. */
  readonly message: string
  readonly netns: Netns
  /** The device's name or index as the caller knows it, or ''. */
  readonly device: string
  /** What else the message is to say of it. */
  readonly detail?: string
  /** Changes something, so that a refused permission names the capability for it. */
  readonly writes: boolean
}

/** The kernel answered a request with an error. */
export class NetlinkError extends SystemError {
  override name = 'NetlinkError'
  /** The device that the request was about, or ''. */
  readonly device: string
  /** The namespace in which it was asked. */
  readonly netns: Netns
  /** The kernel's own words from the extended ack, or ''. */
  readonly reason: string
  /** The attribute at fault, or the one that is missing, as a path: 'linkinfo.data.peer'; or ''. */
  readonly attribute: string

  constructor(errno: number, subject: Subject, reason = '', attribute = '') {
    super(errno, subject.message, describe(errno, subject, reason, attribute))
    this.device = subject.device
    this.netns = subject.netns
    this.reason = reason
    this.attribute = attribute
  }
}

/** The kernel's refusal as the conversation saw it, before the request's own names are put to it. */
export class Refusal extends Error {
  override name = 'Refusal'
  readonly errno: number
  readonly ack: ExtendedAck

  constructor(errno: number, ack: ExtendedAck) {
    super(`${errnoName(errno)}: ${errnoText(errno)}${ack.message === '' ? '' : `: ${ack.message}`}`)
    this.errno = errno
    this.ack = ack
  }
}

/** This kernel cannot do it; says what is missing and which kernel has it first. */
export class UnsupportedError extends Error {
  override name = 'UnsupportedError'
  readonly code = 'ERR_VETH_NL_UNSUPPORTED'
  /** What is missing: "generic netlink family 'netdev'". */
  readonly feature: string
  /** The first kernel release that has it: '6.3'. */
  readonly since: string

  constructor(feature: string, since: string) {
    super(`this kernel has no ${feature}; Linux ${since} is the first that has it`)
    this.feature = feature
    this.since = since
  }
}

/** Bytes from the kernel that do not have the shape they must have. */
export class DecodeError extends Error {
  override name = 'DecodeError'
  readonly code = 'ERR_VETH_NL_DECODE'
  /** Where in the received buffer, in bytes. */
  readonly offset: number

  constructor(what: string, offset: number) {
    super(`${what} (at byte ${offset})`)
    this.offset = offset
  }
}

/** A dump that changed each time it was read; the last, possibly inconsistent, reading is kept. */
export class InterruptedDumpError<T> extends Error {
  override name = 'InterruptedDumpError'
  readonly code = 'ERR_VETH_NL_INTERRUPTED_DUMP'
  /** What the last attempt saw: each element is sound, the set may lack or repeat some. */
  readonly partial: readonly T[]

  constructor(message: string, attempts: number, partial: readonly T[]) {
    super(`${message} changed during each of ${attempts} dumps; the last one is in .partial`)
    this.partial = partial
  }
}

/** Nothing came within the time limit. */
export class TimeoutError extends Error {
  override name = 'TimeoutError'
  readonly code = 'ETIMEDOUT'

  constructor(milliseconds: number, writes: boolean) {
    const outcome = writes ? '; the change may have been made: look before repeating it' : ''
    super(`no answer from the kernel within ${milliseconds} ms${outcome}`)
  }
}

function describe(errno: number, subject: Subject, reason: string, attribute: string): string {
  const parts = []
  if (subject.device !== '') parts.push(`device ${subject.device}`)
  if (subject.device !== '' || subject.netns.path !== '') parts.push(`in ${netnsLabel(subject.netns)}`)
  if (subject.detail) parts.push(subject.detail)
  if (attribute !== '') parts.push(`attribute ${attribute}`)
  if (reason !== '') parts.push(`the kernel says '${reason}'`)
  const code = errnoName(errno)
  if (code === 'EPERM' || code === 'EACCES') {
    parts.push(
      subject.writes ? 'it needs CAP_NET_ADMIN over the network namespace' : 'a capability is missing',
    )
  }
  return parts.join(', ')
}
