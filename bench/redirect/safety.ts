import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { type Device, type Link, listLinks } from '../../src/index.ts'

/** What of this machine must not be cut off, by device. */
export interface Lifelines {
  /** Devices that a default route leads to. */
  readonly defaultRoutes: readonly string[]
  /** Devices that have the address by which somebody is logged in by ssh. */
  readonly sessions: readonly string[]
}

type Place = Pick<Link, 'name' | 'index' | 'master' | 'link' | 'linkNetnsId'>

/**
 * Why a benchmark must not use a device, or null. What carries a lifeline is often above the device: the bridge or bond
 * that it is a port of, a VLAN on it.
 */
export function dangerOf(name: string, links: readonly Place[], lifelines: Lifelines): string | null {
  for (const above of devicesAbove(name, links)) {
    const carries = lifelines.sessions.includes(above)
      ? 'an ssh session'
      : lifelines.defaultRoutes.includes(above)
        ? 'the default route'
        : null
    if (carries === null) continue
    return above === name
      ? `${name} carries ${carries}`
      : `${name} is below ${above}, which carries ${carries}`
  }
  return null
}

/** The device itself, and all that stand on it. */
function devicesAbove(name: string, links: readonly Place[]): Set<string> {
  const found = new Set([name])
  // A set is walked with what is added on the way.
  for (const each of found) {
    const one = links.find(link => link.name === each)
    if (one === undefined) continue
    for (const link of links) {
      const standsOn = link.linkNetnsId === null && link.link === one.index && link.index !== one.index
      if (link.index === one.master || (standsOn && one.link !== link.index)) found.add(link.name)
    }
  }
  return found
}

/** @throws Error with all that speaks against these devices. */
export async function refuseLifelines(devices: readonly Device[]): Promise<void> {
  const links = await listLinks()
  const lifelines = readLifelines()
  const dangers = devices.flatMap(({ name }) => dangerOf(name ?? '', links, lifelines) ?? [])
  if (dangers.length === 0) return
  throw new Error(
    `${dangers.join('; ')}. What comes in there is redirected away. --force does it all the same`,
  )
}

/** @throws Error where a program is there already, of whomever: none is ever replaced. */
export async function refuseForeignPrograms(devices: readonly Device[]): Promise<void> {
  for (const device of devices) {
    const [program] = (await device.getXdp()).programs
    if (program === undefined) continue
    const { id, name, mode } = program
    const what = `program ${id}${name === null ? '' : ` '${name}'`}, ${mode}`
    throw new Error(
      `${device} has an XDP program (${what}). The benchmark replaces nobody's: detach it first, with ` +
        `'ip link set dev ${device.name} xdp off', or end what holds it`,
    )
  }
}

/** As /proc and /sys, or what stands in their places below `root`, tell them for this network namespace. */
export function readLifelines(root = '/', addresses = networkInterfaces(), env = process.env): Lifelines {
  const [, , login] = env.SSH_CONNECTION?.split(' ') ?? []
  const local = new Set([...sshAddresses(root), ...(login === undefined ? [] : [login])])
  const sessions = Object.entries(addresses).filter(([, all]) =>
    all?.some(({ address }) => local.has(address)),
  )
  return { defaultRoutes: defaultRoutes(root), sessions: sessions.map(([name]) => name) }
}

/** Source: fib_route_seq_show(), net/ipv4/fib_trie.c; rt6_info_route(), net/ipv6/route.c. */
function defaultRoutes(root: string): string[] {
  const ipv4 = rows(root, 'net/route').filter(
    ([, destination, , , , , , mask]) => destination === '00000000' && mask === '00000000',
  )
  const ipv6 = rows(root, 'net/ipv6_route').filter(
    ([destination, length]) => /^0{32}$/.test(destination ?? '') && length === '00',
  )
  const names = [...ipv4.map(([name]) => name!), ...ipv6.map(row => row.at(-1)!)]
  return [...new Set(names)].filter(name => name !== 'lo')
}

const [ESTABLISHED, SSH_PORT] = ['01', '0016']

/** Local addresses of connections to port 22: sudo does not pass SSH_CONNECTION on. Source: tcp4_seq_show(). */
function sshAddresses(root: string): string[] {
  return ['net/tcp', 'net/tcp6'].flatMap(file =>
    rows(root, file).flatMap(([, local = '', , state]) => {
      const [address = '', port] = local.split(':')
      return state === ESTABLISHED && port === SSH_PORT ? [addressOf(address)] : []
    }),
  )
}

/** In words of 32 bits of the machine's byte order. */
function addressOf(hex: string): string {
  const bytes = Buffer.from(hex, 'hex')
  if (new Uint8Array(new Uint16Array([1]).buffer)[0] === 1) bytes.swap32()
  const isMapped = bytes.length === 16 && bytes.subarray(0, 12).toString('hex') === '00000000000000000000ffff'
  if (bytes.length === 4 || isMapped) return bytes.subarray(-4).join('.')
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16))
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}

function rows(root: string, file: string): string[][] {
  try {
    const lines = readFileSync(`${root}/proc/${file}`, 'utf8').trim().split('\n')
    return lines.map(line => line.trim().split(/\s+/))
  } catch {
    return [] // a kernel without IPv6
  }
}
