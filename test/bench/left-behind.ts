import { closeSync, fstatSync, openSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { withDescriptor } from '../../src/bpf/descriptor.ts'
import { getProgramInfo, openProgram } from '../../src/bpf/program.ts'
import { createVethPair, type Device, type NetnsHandle } from '../../src/sync.ts'
import { SystemError } from '../../src/wire/errors.ts'
import { OWN_NETNS } from '../../src/wire/netns.ts'
import { ask, type Operation } from '../../src/wire/operation.ts'
import { real } from '../tools/real.ts'

const BPF_PROG_GET_NEXT_ID = 11

/** The names of all programs that this machine's kernel has. */
export function loadedPrograms(): string[] {
  return real(names())
}

function* names(): Operation<string[]> {
  const found: string[] = []
  for (let id = yield* nextId(0); id !== null; id = yield* nextId(id)) {
    try {
      found.push((yield* withDescriptor(openProgram(id), fd => getProgramInfo(fd))).name)
    } catch (error) {
      if (!(error instanceof SystemError && error.code === 'ENOENT')) throw error // it has gone meanwhile
    }
  }
  return found
}

function* nextId(after: number): Operation<number | null> {
  const attr = new Uint8Array(Uint32Array.of(after, 0, 0).buffer)
  try {
    const command = BPF_PROG_GET_NEXT_ID
    yield* ask<'bpf'>({ kind: 'bpf', netns: OWN_NETNS, command, attr, pointers: [], writes: false })
    return new Uint32Array(attr.buffer)[1]!
  } catch (error) {
    if (error instanceof SystemError && error.code === 'ENOENT') return null
    throw error
  }
}

/**
 * Puts one end of a veth into each network namespace that a process holds by a descriptor, but for the one that it runs
 * in. The ends in `netns`, which are handed back, go when those namespaces go.
 */
export function canariesIn(pid: number, netns: NetnsHandle): Device[] {
  const seen = new Set([statSync('/proc/self/ns/net').ino])
  const canaries: Device[] = []
  for (const number of entries(`/proc/${pid}/fd`)) {
    const fd = openNetns(`/proc/${pid}/fd/${number}`)
    if (fd === null) continue
    const { ino } = fstatSync(fd)
    if (!seen.has(ino)) {
      const name = `canary${canaries.length}`
      canaries.push(createVethPair({ netns, name, peer: { name: `canary${pid}`, netns: { fd } } })[0])
    }
    seen.add(ino)
    closeSync(fd)
  }
  return canaries
}

/** null for what is no network namespace, or has been closed meanwhile. */
function openNetns(path: string): number | null {
  try {
    return readlinkSync(path).startsWith('net:') ? openSync(path, 'r') : null
  } catch {
    return null
  }
}

/** Processes of a process group, but for those that have ended. */
export function processesOf(group: number): string[] {
  return entries('/proc')
    .filter(name => /^\d+$/.test(name))
    .filter(pid => {
      const [state, , itsGroup] = statOf(pid)
      return Number(itsGroup) === group && state !== 'Z'
    })
}

function statOf(pid: string): string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return []
  }
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
