import { setChannels } from '../../src/ethtool/channels.ts'
import { createNetns } from '../../src/sync.ts'
import { NetlinkError } from '../../src/wire/errors.ts'
import { kernelHas } from './kernel-needs.ts'
import { needsRoot } from './netns.ts'
import { real } from './real.ts'
import { vethIn } from './veth.ts'

/** For a test's `skip`: why the channels of a veth can be neither read nor set here, or false. */
export const needsVethChannels: string | false = needsRoot || vethLacksChannels()

function vethLacksChannels(): string | false {
  const netns = createNetns()
  try {
    vethIn(netns)
    real(setChannels({ netns, device: 'va' }, { rx: 1 }))
    return false
  } catch (error) {
    const refused = error instanceof NetlinkError && error.code === 'EOPNOTSUPP'
    return refused && !kernelHas(5, 17) ? 'needs channels of a veth, Linux 5.17' : false
  } finally {
    netns.remove()
  }
}
