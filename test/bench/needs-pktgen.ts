import { openPktgen } from '../../bench/redirect/pktgen.ts'
import { NoPktgenError } from '../../bench/redirect/pktgen-netns.ts'
import { createNetns, createVethPair } from '../../src/index.ts'

/** For a test's `skip`: why there is no pktgen, or false. */
export async function needsPktgen(): Promise<string | false> {
  const netns = await createNetns()
  try {
    const [device] = await createVethPair({ name: 'a', netns, peer: 'b' })
    await (await openPktgen(device)).close()
    return false
  } catch (error) {
    if (!(error instanceof NoPktgenError)) throw error
    return 'needs pktgen, which this kernel has not even as a module'
  } finally {
    await netns.remove()
  }
}
