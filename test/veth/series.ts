import { kernelHas } from '../tools/kernel-needs.ts'

export { kernelHas }

/** For a test's `skip`: why frames cannot be sent through a program here, or false. */
export const needsLiveFrames: string | false = kernelHas(5, 18) ? false : 'needs live frames, Linux 5.18'

/** For a test's `skip`: why GRO at the peer does not help here, or false. */
export const needsGroNapi: string | false = kernelHas(5, 13) ? false : 'needs NAPI by GRO, Linux 5.13'
