import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { endianness } from 'node:os'
import type { Netns } from '../../src/index.ts'
import { addressText } from './addresses.ts'
import { netnsPath } from './netns-path.ts'

const SSH_PORT = 22
/** Source: include/net/tcp_states.h. */
const ESTABLISHED = '01'

/** Local addresses of a namespace by which somebody is logged in by ssh: of its connections, and of our own session. */
export function sshAddresses(netns: Netns): Set<string> {
  const own = ownSessions()
  const ports = new Set([SSH_PORT, ...own.map(({ port }) => port)])
  const connected = connectionsIn(netns).filter(({ port }) => ports.has(port))
  return new Set([...own, ...connected].map(({ address }) => address))
}

interface LocalEnd {
  readonly address: string
  readonly port: number
}

/**
 * Of SSH_CONNECTION, 'client port server port', of this process and of those that it comes from: sudo hands it to nobody,
 * and has it itself.
 */
function ownSessions(): LocalEnd[] {
  const found: LocalEnd[] = []
  for (let pid = process.pid; pid > 0; pid = parentOf(pid)) {
    const [, connection = ''] = /(?:^|\0)SSH_CONNECTION=([^\0]*)/.exec(read(`/proc/${pid}/environ`)) ?? []
    const [, , address, port] = connection.split(' ')
    if (address !== undefined) found.push({ address: address.replace(/%.*/, ''), port: Number(port) })
  }
  return found
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s*(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0)
}

/** '' for what is not there, or not ours to read. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** Source: get_tcp4_sock(), net/ipv4/tcp_ipv4.c; get_tcp6_sock(), net/ipv6/tcp_ipv6.c. */
function connectionsIn(netns: Netns): LocalEnd[] {
  return tcpTables(netns).flatMap(line => {
    const [, local = '', , state] = line.trim().split(/\s+/)
    const [address = '', port = ''] = local.split(':')
    if (state !== ESTABLISHED) return []
    return [{ address: addressText(inNetworkOrder(address)), port: Number.parseInt(port, 16) }]
  })
}

/** The lines of both families' tables. A kernel without IPv6 has one. */
function tcpTables(netns: Netns): string[] {
  const files = ['/proc/net/tcp', '/proc/net/tcp6']
  if (netns.path === '') return files.flatMap(file => read(file).split('\n'))
  const inside = [`--net=${netnsPath(netns)}`, 'cat', ...files]
  const { stdout, stderr, error } = spawnSync('nsenter', inside, { encoding: 'utf8', maxBuffer: 2 ** 30 })
  if (error !== undefined || stdout === '')
    throw new Error(`nsenter ${inside.join(' ')}: ${(error?.message ?? stderr).trim()}`)
  return stdout.split('\n')
}

/** The tables have words of 32 bits of the machine's byte order. */
function inNetworkOrder(hex: string): Uint8Array {
  const bytes = Buffer.from(hex, 'hex')
  return endianness() === 'LE' ? bytes.swap32() : bytes
}
