import type { AnyDevice } from '../api/forms.ts'

/** All that can be set at an end of a pair, and what follows from it; counters and what only time changes left out. */
export async function settingsOf(end: AnyDevice): Promise<Record<string, unknown>> {
  const { name, index, up, mtu, minMtu, maxMtu, xdp, master, group, promiscuity, address, altNames } =
    await end.getLink()
  const features = Object.entries(await end.getFeatures()).map(
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
    channels: await channelsOf(end),
    netns: end.netns.path,
  }
}

/** null on a kernel whose veths have no channels. */
export async function channelsOf(end: AnyDevice): Promise<readonly [rx: number, tx: number] | null> {
  try {
    const { rx, tx } = await end.getChannels()
    return [rx, tx]
  } catch {
    return null
  }
}
