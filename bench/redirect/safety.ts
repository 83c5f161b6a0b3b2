import { type Device, device, type Link, listLinks, type Netns } from '../../src/index.ts'
import { listAddresses } from './addresses.ts'
import { defaultRouteDevices } from './default-routes.ts'
import { sshAddresses } from './ssh-sessions.ts'

/** What of a network namespace must not be cut off, by the devices' indexes. */
export interface Lifelines {
  /** Devices that a default route leads to. */
  readonly defaultRoutes: readonly number[]
  /** Devices that have the address by which somebody is logged in by ssh. */
  readonly sessions: readonly number[]
}

export async function readLifelines(netns: Netns): Promise<Lifelines> {
  const local = sshAddresses(netns)
  const addresses = await listAddresses(netns)
  return {
    defaultRoutes: await defaultRouteDevices(netns),
    sessions: addresses.filter(({ address }) => local.has(address)).map(({ index }) => index),
  }
}

type Place = Pick<Link, 'name' | 'index' | 'master' | 'link' | 'linkNetnsId'>

/**
 * Why a benchmark must not use a device, or null. What carries a lifeline is often above the device: the bridge or bond
 * that it is a port of, a VLAN on it. `links` are those of its namespace; `words` name it for people.
 */
export function dangerOf(
  index: number,
  links: readonly Place[],
  lifelines: Lifelines,
  words: string,
): string | null {
  for (const above of devicesAbove(index, links)) {
    const carries = lifelines.sessions.includes(above)
      ? 'an ssh session'
      : lifelines.defaultRoutes.includes(above)
        ? 'the default route'
        : null
    if (carries === null) continue
    if (above === index) return `${words} carries ${carries}`
    return `${words} is below ${links.find(link => link.index === above)!.name}, which carries ${carries}`
  }
  return null
}

/** The device itself, and all that stand on it. */
function devicesAbove(index: number, links: readonly Place[]): Set<number> {
  const found = new Set([index])
  // A set is walked with what is added on the way.
  for (const each of found) {
    const one = links.find(link => link.index === each)
    if (one === undefined) continue
    for (const link of links) {
      const standsOn = link.linkNetnsId === null && link.link === one.index && link.index !== one.index
      if (link.index === one.master || (standsOn && one.link !== link.index)) found.add(link.index)
    }
  }
  return found
}

/**
 * Devices of one namespace that are not to be cut off, and a peer, where programs are to be attached to it: it may be in
 * another one. @throws Error with all that speaks against them.
 */
export async function refuseLifelines(devices: readonly Device[], peer: Device | null = null): Promise<void> {
  const [here, there] = [await dangersOf(devices), await dangersOf(peer === null ? [] : [peer])]
  const all = [
    ...(here.length === 0 ? [] : [`${here.join('; ')}: what comes in there is redirected away`]),
    ...there.map(danger => `${danger}: --only peer=plain,gro attaches nothing there`),
  ]
  if (all.length > 0) throw new Error(`${all.join('; ')}. --force does it all the same`)
}

async function dangersOf(devices: readonly Device[]): Promise<string[]> {
  const [first] = devices
  if (first === undefined) return []
  const { netns } = first
  const [links, lifelines] = [await listLinks({ netns }), await readLifelines(netns)]
  const dangers: string[] = []
  for (const one of devices) {
    // Its name is not always the one that was given: that may be an alternative one.
    const { index, name } = await one.getLink()
    const danger = dangerOf(index, links, lifelines, `${device(name, { netns })}`)
    if (danger !== null) dangers.push(danger)
  }
  return dangers
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
