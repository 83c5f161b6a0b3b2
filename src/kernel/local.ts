import { SystemError } from '../wire/errors.ts'
import { netnsLabel } from '../wire/netns.ts'
import type { Answer, Ask, Self } from '../wire/operation.ts'
import { identifyNetns } from './netns-files.ts'
import { dirname, join, mkdirSync, promises, readFileSync, rmSync, statSync, writeFileSync } from './node.ts'

const EIO = 5
const EPERM = -1

type AtOnce = Extract<Ask, { kind: 'identify' | 'self' | 'shelter' | 'memory' }>

/** The questions whose answers never wait for the kernel: the same in both forms. */
export function answerAtOnce(question: AtOnce, memory: Map<string, unknown>): Answer {
  switch (question.kind) {
    case 'identify':
      return identifyNetns(question.netns)
    case 'self':
      return self()
    case 'shelter':
      return null
    case 'memory':
      return memory
  }
}

/** Where the file systems are mounted; tracefs in the other place by mounting debugfs. */
const MOUNTED = { sysfs: ['/sys'], tracefs: ['/sys/kernel/tracing', '/sys/kernel/debug/tracing'] } as const

type KernelFile = Extract<Ask, { kind: 'kernel file' }>

export function kernelFile(question: KernelFile): Uint8Array {
  const mounted = mountOf(question)
  try {
    return readFileSync(join(mounted, question.path))
  } catch (error) {
    throw unreadable(question, mounted, error as NodeJS.ErrnoException)
  }
}

/** The same on the pool: the kernel's types are some megabytes. */
export async function kernelFileLater(question: KernelFile): Promise<Uint8Array> {
  const mounted = mountOf(question)
  try {
    return await promises.readFile(join(mounted, question.path))
  } catch (error) {
    throw unreadable(question, mounted, error as NodeJS.ErrnoException)
  }
}

function mountOf({ of, path }: KernelFile): string {
  return MOUNTED[of].find(folder => isThere(folder, path)) ?? MOUNTED[of][0]
}

function unreadable({ of, path }: KernelFile, mounted: string, error: NodeJS.ErrnoException): SystemError {
  const { errno = -EIO, code } = error
  const hint =
    of === 'tracefs' && code === 'ENOENT' ? `; is it mounted? mount -t tracefs tracefs ${mounted}` : ''
  return new SystemError(errno, 'open', `${join(mounted, path)}${hint}`)
}

function isThere(folder: string, path: string): boolean {
  return statSync(join(folder, path), { throwIfNoEntry: false }) !== undefined
}

/** Where the descriptor of a tracepoint would be. */
export function finishTracepoint(result: number): number {
  if (result < 0) throw new SystemError(result, 'perf_event_open')
  return result
}

function self(): Self {
  const { release } = process.getBuiltinModule('node:os') // seldom asked for
  return { release: release(), pid: process.pid }
}

/** The shim takes each offset and its buffer one after the other. */
export function bpfPointers({ pointers }: Extract<Ask, { kind: 'bpf' }>): (number | Uint8Array)[] {
  return pointers.flat()
}

/** A frame that could not be sent at all is a failure of the question. */
export function finishFrames({ netns, ifindex }: Extract<Ask, { kind: 'frames' }>, result: number): number {
  if (result >= 0) return result
  const needs = result === EPERM ? ': sending frames needs CAP_NET_RAW' : ''
  throw new SystemError(result, 'sendto', `device ${ifindex} in ${netnsLabel(netns)}${needs}`)
}

/** What to do about the usual ways in which a namespace cannot be made. */
const HINTS: Readonly<Record<number, string>> = {
  [-1]: 'making a network namespace needs CAP_SYS_ADMIN',
  [-28]: 'the limit user.max_net_namespaces is reached',
}

/** Before a namespace is bound to a path: an empty file there, which must not exist yet. */
export function prepareBinding(path: string): void {
  if (path === '') return
  try {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, '', { flag: 'wx', mode: 0o444 })
  } catch (error) {
    throw new SystemError((error as NodeJS.ErrnoException).errno ?? -EIO, 'open', path)
  }
}

/** Nothing half-done is left: the file goes where the namespace could not be made. */
export function finishBinding(path: string, result: number): number {
  if (result >= 0) return result
  if (path !== '') rmSync(path, { force: true })
  throw new SystemError(result, 'unshare', HINTS[result] ?? '')
}

export function finishUnbinding(path: string, result: number): null {
  if (result < 0) throw new SystemError(result, 'umount2', path)
  rmSync(path, { force: true })
  return null
}
