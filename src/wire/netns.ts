import { quote } from './check-options.ts'

/**
 * A network namespace, as questions and handles carry it: the file that stands for it and, once seen,
 * which namespace that file named. Plain data: nothing here holds the namespace open.
 */
export interface Netns {
  /** The namespace's file, such as /run/netns/blue or /proc/4711/ns/net; '' is the one this program runs in. */
  readonly path: string
  /** The file's inode number on nsfs: the namespace's identity. null until it has been seen. */
  readonly inode: number | null
}

/** How a caller names a namespace: a name under /run/netns, a path, a process in it, or an open descriptor. */
export type NetnsRef = string | { readonly pid: number } | { readonly fd: number }

export const OWN_NETNS: Netns = { path: '', inode: null }

const OWN_DESCRIPTOR = '/proc/self/fd/'

/** Where iproute2 and this library keep named namespaces. */
export const NETNS_DIRECTORY = '/run/netns'

/** @throws TypeError for a reference of no such form, naming the forms. */
export function netnsFrom(ref: NetnsRef | Netns | undefined): Netns {
  if (ref === undefined) return OWN_NETNS
  if (typeof ref === 'string') return { path: pathFromString(ref), inode: null }
  if (ref !== null && typeof ref === 'object') {
    if ('path' in ref) return { path: ref.path, inode: ref.inode }
    if ('pid' in ref) return { path: `/proc/${positive(ref.pid, 'pid', 1)}/ns/net`, inode: null }
    if ('fd' in ref) return { path: descriptorPath(positive(ref.fd, 'fd', 0)), inode: null }
  }
  throw new TypeError(`netns must be a name, an absolute path, { pid } or { fd }, not ${quote(ref)}`)
}

/** The same where leaving it out would not mean the own one. */
export function namedNetns(ref: NetnsRef | Netns): Netns {
  if (ref === undefined) throw new TypeError('say which netns: a name, an absolute path, { pid } or { fd }')
  return netnsFrom(ref)
}

/** The words for a namespace in messages: 'netns blue', 'netns of process 4711', 'netns of descriptor 21', 'this netns'. */
export function netnsLabel(netns: Netns): string {
  const { path } = netns
  if (path === '') return 'this netns'
  const fd = ownDescriptor(netns)
  if (fd !== null) return `netns of descriptor ${fd}`
  const name = netnsName(netns)
  if (name !== null) return `netns ${name}`
  const pid = netnsPid(netns)
  return pid === null ? `netns ${path}` : `netns of process ${pid}`
}

/** The name under /run/netns, or null. */
export function netnsName(netns: Netns): string | null {
  const prefix = `${NETNS_DIRECTORY}/`
  return netns.path.startsWith(prefix) ? netns.path.slice(prefix.length) : null
}

/** The process whose main thread is in it, where it is reached through that process, or null. */
export function netnsPid({ path }: Netns): number | null {
  return numberBetween('/proc/', path, '/ns/net')
}

/** Where an open descriptor of this process is found. */
export function descriptorPath(fd: number): string {
  return `${OWN_DESCRIPTOR}${fd}`
}

/** The descriptor of this process by which it is reached, or null. */
export function ownDescriptor({ path }: Netns): number | null {
  return numberBetween(OWN_DESCRIPTOR, path, '')
}

/** The number that is all of a text between its two ends; null where it is none, or more than an int holds. */
function numberBetween(start: string, text: string, end: string): number | null {
  const last = text.length - end.length
  if (last <= start.length || !text.startsWith(start) || !text.endsWith(end)) return null
  let number = 0
  for (let i = start.length; i < last; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return null
    number = 10 * number + digit
  }
  return number <= 0x7fffffff ? number : null
}

function pathFromString(ref: string): string {
  if (ref === '' || ref.includes('\0')) throw new TypeError('netns must not be empty or contain a NUL byte')
  if (ref.startsWith('/')) return ref
  if (ref.includes('/') || ref === '.' || ref === '..') {
    throw new TypeError(`netns '${ref}' is neither a name under ${NETNS_DIRECTORY} nor an absolute path`)
  }
  return `${NETNS_DIRECTORY}/${ref}`
}

function positive(value: number, what: string, least: number): number {
  if (!Number.isInteger(value) || value < least || value > 0x7fffffff) {
    throw new TypeError(`netns ${what} must be an integer of at least ${least}, not ${quote(value)}`)
  }
  return value
}
