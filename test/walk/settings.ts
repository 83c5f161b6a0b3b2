import type { Device } from '../../src/sync.ts'

/** All that can be set at an end of a pair, and what follows from it; counters and what only time changes left out. */
export function settingsOf(end: Device): Record<string, unknown> {
  const { name, index, up, mtu, minMtu, maxMtu, xdp, master, group, promiscuity, address, altNames } =
    end.getLink()
  const features = Object.entries(end.getFeatures()).map(
    ([feature, { active, wanted, fixed }]) => `${feature} ${active} ${wanted} ${fixed}`,
  )
  return {
    name,
    index,
    up,
    mtu,
    minMtu,
    maxMtu,
    xdp: xdp === null ? 'none' : `${xdp.mode} ${xdp.nativeProgramId} ${xdp.genericProgramId}`,
    master,
    group,
    promiscuity,
    address,
    altNames,
    features,
    channels: channelsOf(end),
    netns: end.netns.path,
  }
}

/** null on a kernel whose veths have no channels. */
export function channelsOf(end: Device): readonly [rx: number, tx: number] | null {
  try {
    const { rx, tx } = end.getChannels()
    return [rx, tx]
  } catch {
    return null
  }
}
