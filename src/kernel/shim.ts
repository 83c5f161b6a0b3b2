import { dirname, fileURLToPath, join, readdirSync, statSync } from './node.ts'

/**
 * The native shim, bpf/sock.c: all that TypeScript cannot do itself. Every function returns a number: the result
 * where it is 0 or more, else a negative errno; wrong arguments are -22, EINVAL. Nothing throws.
 *
 * Without `done` the work runs on the calling thread. With it, it runs on a thread of libuv's pool, the function
 * returns 0 once it is queued, and `done` is called with what the other form would have returned. Until then the
 * arrays handed in must be left alone, and the descriptors kept open.
 *
 * A network namespace is given as a descriptor of its file, or -1 for the one this thread is in. Entering another
 * takes CAP_SYS_ADMIN, in it and here: without, -1, EPERM.
 */
export interface Shim {
  /**
   * Makes a network namespace. With a path it is bound to that file, which must exist, and the result is 0; after a
   * failure the file is still the caller's to unlink. With '' the result is a close-on-exec descriptor, which is all
   * that keeps the namespace alive. Needs CAP_SYS_ADMIN. Source: unshare(2), ip-netns(8).
   */
  createNetns(path: string): number
  createNetns(path: string, done: Done): number

  /** Detaches (MNT_DETACH) what is bound to a file: what ip-netns(8) does before it unlinks the file. */
  unmount(path: string): number
  unmount(path: string, done: Done): number

  /** The inode number of what a descriptor stands for (with '' for the path), or, with -1, a path. Source: statx(2). */
  inode(fd: number, path: string): number
  inode(fd: number, path: string, done: Done): number

  /** Closes a descriptor that createNetns(), bpf() or openTracepoint() made: Node's own close() warns of those in worker threads. */
  close(fd: number): number
  close(fd: number, done: Done): number

  /**
   * A netlink socket of a protocol (NETLINK_ROUTE 0, NETLINK_GENERIC 16) in a namespace, bound, with
   * NETLINK_EXT_ACK, NETLINK_CAP_ACK and NETLINK_GET_STRICT_CHK where the kernel has them.
   *
   * A socket pins its namespace. So it is closed once it has been idle for half a second (within 0.2 s, even while
   * JavaScript is busy), or was idle for longest when a 513th was opened. Its handle is -9, EBADF, from then on:
   * reopen. One with the rest of a dump to come is not idle: it is closed after 30 s without a call, and for a 513th only
   * where all the others are so too; the one whose dump is read ahead by closeSocket() alone, or the end of this thread's
   * JavaScript.
   *
   * @returns a handle, never used twice; -24, EMFILE, when 512 are in use at this moment.
   */
  openSocket(netns: number, protocol: number): number
  openSocket(netns: number, protocol: number, done: Done): number

  /**
   * Sends `request`, unless null, to the kernel, and takes datagrams into `buffer` until the answer pauses: one, or
   * as many of a dump as there are while 32 KiB of `buffer` and two words of `datagrams` are left. Call again, with
   * null, for the rest of a dump, and for what follows a reply, such as its acknowledgement.
   *
   * Of a long dump, the first call returns two datagrams, and a thread of the shim takes the next ones meanwhile, up to
   * half a megabyte, into memory of its own: each further call returns up to 128 KiB of that. One dump at a time, and
   * only where `buffer` has 128 KiB and `datagrams` 64 words.
   *
   * @param datagrams gets two words each: the offset in `buffer`, a multiple of 4; the length, of which what
   * exceeds the room in `buffer` is lost. The kernel is who sent it.
   * @param timeoutMs how long to wait for the first one; -1 is without limit. Sending is not covered: that is where
   * the kernel does the work. Node cannot end a worker thread before its pool work: with `done`, wait a second at
   * most, and go on with null.
   * @returns how many datagrams, or
   * -110, ETIMEDOUT: none came; the request stays sent.
   * -9, EBADF: the socket is closed, see openSocket; nothing was sent. After 30 s between two calls this may meet
   * the rest of a dump.
   * -16, EBUSY: another exchange is in flight on this socket; nothing was sent.
   * An error that the kernel reports behind datagrams, such as -105, ENOBUFS, is the next call's answer, which then
   * sends nothing.
   */
  exchange(
    handle: number,
    request: Uint8Array | null,
    buffer: Uint8Array,
    datagrams: Uint32Array,
    timeoutMs: number,
  ): number
  exchange(
    handle: number,
    request: Uint8Array | null,
    buffer: Uint8Array,
    datagrams: Uint32Array,
    timeoutMs: number,
    done: Done,
  ): number

  /**
   * Puts several reads on several sockets, and takes the datagrams that are there when each has been sent, without
   * waiting. Where a socket is closed, in use or fails there are no datagrams, or not all: the caller looks for the
   * answers it wants, and closes the sockets on which one is missing.
   *
   * @param sends seven words for each socket: its handle's low and high half; how many bytes of `requests` are its, a
   * multiple of 4; how many answers will end on it; a descriptor, or -1, and the low and high half of the inode number
   * that this must have.
   * @param count how many sockets.
   * @param requests whole netlink messages, those for the first socket first.
   * @returns how many datagrams, or
   * -22, EINVAL: `sends` asks for more than there is in `requests`.
   * -116, ESTALE: a descriptor stands for something else; nothing was sent.
   */
  exchangeTogether(
    sends: Uint32Array,
    count: number,
    requests: Uint8Array,
    buffer: Uint8Array,
    datagrams: Uint32Array,
  ): number
  exchangeTogether(
    sends: Uint32Array,
    count: number,
    requests: Uint8Array,
    buffer: Uint8Array,
    datagrams: Uint32Array,
    done: Done,
  ): number

  /** An exchange in flight is let finish first; the handle is invalid at once. */
  closeSocket(handle: number): number
  closeSocket(handle: number, done: Done): number

  /**
   * A netlink socket as above that has joined multicast groups of its protocol, bound before it did; and a thread of the
   * shim which takes what it hears, into eight parts of 256 KiB of its own. The socket keeps its namespace alive until unsubscribe(), or
   * the end of this thread's JavaScript. These four have no form for the pool.
   *
   * @param receiveBuffer bytes that the kernel may queue besides, which it doubles for its own overhead (SO_RCVBUF);
   * above net.core.rmem_max that takes CAP_NET_ADMIN, else it is cut down to that.
   * @param allNsid 1: to hear the groups in all namespaces that have an id in this one (NETLINK_LISTEN_ALL_NSID), which
   * takes CAP_NET_BROADCAST; else 0.
   * @param news is called when there is something to fetch, and not again before it has been. It does not keep the event
   * loop alive, see keepAlive().
   * @returns a handle, never used twice.
   */
  subscribe(
    netns: number,
    protocol: number,
    groups: Uint32Array,
    receiveBuffer: number,
    allNsid: 0 | 1,
    news: () => void,
  ): number

  /**
   * Takes what has been heard, one part of it, in the kernel's order; if there is more, news is called again: three words (the length; the sender's port id, 0 for the
   * kernel; the id of the namespace it comes from, -1 for the socket's own) and a datagram, padded to a multiple of 4.
   *
   * A length of 0, and no datagram, says that something was lost there: ENOBUFS. Until the kernel's queue has been empty
   * it does not say so again, so that was emptied before; where the thread's parts were full the rest was thrown away.
   *
   * @param buffer of at least 256 KiB.
   * @returns how many bytes. -9, EBADF: it has ended.
   */
  fetch(handle: number, buffer: Uint8Array): number

  /** Whether the event loop is to go on while there is nothing else to wait for. */
  keepAlive(handle: number, on: 0 | 1): number

  /** Ends its thread and closes its socket; `news` is not called any more. */
  unsubscribe(handle: number): number

  /**
   * bpf(2) in a namespace. `attr` is the union bpf_attr, at most 512 bytes; what the kernel writes into it is there
   * afterwards.
   *
   * @param pointers offset in `attr`, array, offset, array, …: at most 8 arrays, whose addresses the kernel gets as
   * 64-bit words at these offsets. JavaScript finds 0 there. An array that is a part of `attr` is a struct with
   * addresses of its own, at offsets counted from the start of `attr` as well; the union ends where it begins.
   * @returns what bpf(2) returns; its descriptors are close-on-exec. -7, E2BIG: `attr` is too long.
   */
  bpf(netns: number, command: number, attr: Uint8Array, pointers: Pointers): number
  bpf(netns: number, command: number, attr: Uint8Array, pointers: Pointers, done: Done): number

  /**
   * Runs a BPF program of type TRACEPOINT, given by its descriptor, at the tracepoint of that number in tracefs, on all
   * CPUs: perf_event_open(2) and PERF_EVENT_IOC_SET_BPF.
   * @returns a close-on-exec descriptor, which is all that holds the program there. -22, EINVAL: it reads beyond the record.
   */
  openTracepoint(program: number, id: number): number
  openTracepoint(program: number, id: number, done: Done): number

  /**
   * Sends an Ethernet frame, header included, `count` times out of a device of a namespace. What a full device or
   * socket refuses is tried again for some 20 ms. Needs CAP_NET_RAW.
   * Source: packet(7).
   *
   * @returns how many were sent, fewer than `count` where an error came in between; or, when none was,
   * -6, ENXIO: there is no such device. -22, EINVAL: no whole header. -90, EMSGSIZE: longer than the device's MTU.
   * -100, ENETDOWN: it is down. -105, ENOBUFS: it takes nothing.
   */
  sendFrames(netns: number, ifindex: number, frame: Uint8Array, count: number): number
  sendFrames(netns: number, ifindex: number, frame: Uint8Array, count: number, done: Done): number
}

export type Done = (result: number) => void
export type Pointers = readonly (number | Uint8Array)[]

let loaded: Shim | undefined

/**
 * The shim for this processor, loaded once per thread.
 * @throws Error with code ERR_VETH_NL_SHIM where there is none, or it does not load; says how to build it.
 */
export function loadShim(): Shim {
  loaded ??= load()
  return loaded
}

function load(): Shim {
  if (process.platform !== 'linux')
    throw shimError(`veth-nl speaks to the Linux kernel; this is ${process.platform}`)
  const file = shimFile(process.arch)
  if (!isThere(file)) throw shimError(`veth-nl: ${file} is missing.${howToBuild()}`)
  try {
    const addon = { exports: {} as Shim }
    process.dlopen(addon, file)
    return addon.exports
  } catch (cause) {
    throw shimError(`veth-nl: ${file} does not load: ${(cause as Error).message}.${howToBuild()}`, cause)
  }
}

// Two folders up, from src/kernel as from dist/shared, where the build puts this.
const SOURCE = fileURLToPath(new URL('../../bpf/sock.c', import.meta.url))
const PREBUILDS = fileURLToPath(new URL('../../prebuilds', import.meta.url))

export function shimFile(arch: string): string {
  return join(PREBUILDS, `linux-${arch}`, 'sock.node')
}

/** What builds the shim, with any C compiler. No library is linked: libc and Node-API are in the running process. */
export function compileCommand(compiler: string, output: string): string[] {
  const flags = '-O2 -ffreestanding -fvisibility=hidden -shared -fPIC -nostdlib -Wl,--build-id=none -s'
  return [...compiler.split(' '), ...flags.split(' '), '-o', output, SOURCE]
}

/** Unlike access(2), which existsSync() calls, stat(2) heeds the capabilities of a process. */
function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined
}

function howToBuild(): string {
  const file = shimFile(process.arch)
  const prebuilt = isThere(PREBUILDS) ? readdirSync(PREBUILDS).join(', ') : ''
  const command = `mkdir -p ${dirname(file)} && ${compileCommand('cc', file).join(' ')}`
  return ` Prebuilt here: ${prebuilt || 'none'}. To build it, with any C compiler as cc:\n  ${command}`
}

function shimError(message: string, cause?: unknown): Error {
  return Object.assign(new Error(message, { cause }), { code: 'ERR_VETH_NL_SHIM' })
}
