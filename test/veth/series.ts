import { release } from 'node:os'

const [major = 0, minor = 0] = release().split('.').map(Number)

/** Whether the running kernel is of this series or a later one. */
export function kernelHas(thatMajor: number, thatMinor: number): boolean {
  return major > thatMajor || (major === thatMajor && minor >= thatMinor)
}

/** For a test's `skip`: why frames cannot be sent through a program here, or false. */
export const needsLiveFrames: string | false = kernelHas(5, 18) ? false : 'needs live frames, Linux 5.18'

/** For a test's `skip`: why GRO at the peer does not help here, or false. */
export const needsGroNapi: string | false = kernelHas(5, 13) ? false : 'needs NAPI by GRO, Linux 5.13'
