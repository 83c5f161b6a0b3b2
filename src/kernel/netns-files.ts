import { SystemError } from '../wire/errors.ts'
import { NETNS_DIRECTORY, type Netns, netnsLabel, ownDescriptor } from '../wire/netns.ts'
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  promises,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
} from './node.ts'
import type { Shim } from './shim.ts'

const OWN = '/proc/thread-self/ns/net'
/** Whatever the path stands for by now: a FIFO must not hold us. */
const READ_AT_ONCE = constants.O_RDONLY | constants.O_NONBLOCK
const ESTALE = 116
const ENOENT = 2
const EBADF = 9

/**
 * Opens a namespace's file, and insists that it is still the namespace that was seen before: names and
 * process ids are reused. The caller closes the descriptor. -1 stands for the own namespace.
 */
export function openNetns(netns: Netns): number {
  if (netns.path === '') return -1
  let fd: number
  try {
    fd = openSync(netns.path, READ_AT_ONCE)
  } catch (error) {
    throw unreachable(netns, error as NodeJS.ErrnoException)
  }
  if (netns.inode !== null && fstatSync(fd).ino !== netns.inode) {
    closeSync(fd)
    throw new SystemError(ESTALE, 'open', `${netnsLabel(netns)} is another namespace now`)
  }
  return fd
}

export function closeNetns(fd: number): void {
  if (fd >= 0) closeSync(fd)
}

/** Opens the file that names the namespace even where it is the own one: for messages that carry a descriptor. */
export function openNetnsForMessage(netns: Netns): number {
  return netns.path === '' ? openSync(OWN, 'r') : openNetns(netns)
}

/** The namespace that the path stands for now; 0 for the own one, whose sockets need no such check. */
export function currentInode(netns: Netns, shim: Shim): number {
  if (netns.path === '') return 0
  // What a descriptor of our own stands for is told by the descriptor, faster than by its path.
  const own = ownDescriptor(netns)
  const inode = own === null ? shim.inode(-1, netns.path) : shim.inode(own, '')
  if (inode < 0) throw unreachable(netns, { errno: inode })
  return inode
}

export function identifyNetns(netns: Netns): Netns {
  try {
    return { path: netns.path, inode: statSync(netns.path === '' ? OWN : netns.path).ino }
  } catch (error) {
    throw unreachable(netns, error as NodeJS.ErrnoException)
  }
}

/** Bind mounts of namespaces in this mount namespace, those of iproute2 first, each namespace once. */
export function listNamedNetns(): Netns[] {
  const found: Netns[] = []
  for (const line of readFileSync('/proc/thread-self/mountinfo', 'utf8').split('\n')) {
    // 36 35 0:4 net:[4026532281] /run/netns/blue rw shared:1 - nsfs nsfs rw   (proc_pid_mountinfo(5))
    const [, , , root = '', at = ''] = line.split(' ')
    const inode = inodeOf(root)
    if (inode !== null) found.push({ path: unescapeOctal(at), inode })
  }
  found.sort((a, b) => rank(a.path) - rank(b.path))
  return eachOnce(found)
}

/** The namespaces of descriptors that this process holds, then those of all processes' main threads. */
export function listProcessNetns(): Netns[] {
  const found = ownDescriptors()
  for (const pid of processes(readdirSync('/proc'))) addNetnsOf(found, `/proc/${pid}`)
  return eachOnce(found)
}

/** Those of all threads: a program may have one in another namespace than its main thread. */
export function listThreadNetns(): Netns[] {
  const found: Netns[] = []
  for (const pid of processes(readdirSync('/proc')))
    for (const folder of threads(pid)) addNetnsOf(found, folder)
  return eachOnce(found)
}

/** Either of them, giving the event loop back every so often. */
export async function listNetnsInSlices(held: 'by process' | 'by thread'): Promise<Netns[]> {
  const found = held === 'by process' ? ownDescriptors() : []
  let count = 0
  for (const pid of processes(await promises.readdir('/proc'))) {
    for (const folder of held === 'by process' ? [`/proc/${pid}`] : threads(pid)) {
      addNetnsOf(found, folder)
      if (++count % 64 === 0) await new Promise(resolve => setImmediate(resolve))
    }
  }
  return eachOnce(found)
}

function processes(names: readonly string[]): string[] {
  return names.filter(name => /^\d+$/.test(name))
}

function ownDescriptors(): Netns[] {
  const found: Netns[] = []
  for (const fd of readdirSync('/proc/self/fd')) {
    const inode = linkedInode(`/proc/self/fd/${fd}`)
    if (inode !== null) found.push({ path: `/proc/self/fd/${fd}`, inode })
  }
  return found
}

/** Their folders. */
function threads(pid: string): string[] {
  const folder = `/proc/${pid}/task`
  try {
    return readdirSync(folder).map(tid => `${folder}/${tid}`)
  } catch {
    return [] // ended meanwhile
  }
}

/** A process of somebody else's may not be looked into: it is listed without an inode. */
function addNetnsOf(found: Netns[], folder: string): void {
  const path = `${folder}/ns/net`
  try {
    found.push({ path, inode: inodeOf(readlinkSync(path)) })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EACCES') found.push({ path, inode: null })
  }
}

function linkedInode(path: string): number | null {
  try {
    return inodeOf(readlinkSync(path))
  } catch {
    return null // closed meanwhile
  }
}

function inodeOf(link: string): number | null {
  const digits = /^net:\[(\d+)\]$/.exec(link)?.[1]
  return digits === undefined ? null : Number(digits)
}

function rank(path: string): number {
  return path.startsWith(`${NETNS_DIRECTORY}/`) ? 0 : 1
}

function eachOnce(list: readonly Netns[]): Netns[] {
  const seen = new Set<number>()
  return list.filter(({ inode }) => {
    if (inode === null) return true
    if (seen.has(inode)) return false
    seen.add(inode)
    return true
  })
}

/** mountinfo writes blanks and backslashes as \ooo. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}

function unreachable(netns: Netns, { errno = -ENOENT }: Pick<NodeJS.ErrnoException, 'errno'>): SystemError {
  const gone = errno === -ENOENT || errno === -EBADF
  const why = gone ? 'there is no such network namespace' : 'its file cannot be opened'
  return new SystemError(errno, 'open', `${netnsLabel(netns)}: ${why}`)
}
