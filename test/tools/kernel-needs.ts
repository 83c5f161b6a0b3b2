import { release } from 'node:os'
import { UnsupportedError } from '../../src/wire/errors.ts'

const [major = 0, minor = 0] = release().split('.').map(Number)

/** Whether the running kernel is of this series or a later one. */
export function kernelHas(thatMajor: number, thatMinor: number): boolean {
  return major > thatMajor || (major === thatMajor && minor >= thatMinor)
}

/** For a test's `skip`: what the kernel lacks so as to answer the question, or false. A kernel that must have it is believed to. */
export function kernelLacks(question: () => unknown): string | false {
  try {
    question()
    return false
  } catch (error) {
    if (!(error instanceof UnsupportedError)) return false
    const [thatMajor = 0, thatMinor = 0] = error.since.split('.').map(Number)
    return kernelHas(thatMajor, thatMinor) ? false : `needs ${error.feature}, Linux ${error.since}`
  }
}

/** For a test's `skip`: why frames cannot be sent through a program without a device, or false. */
export const needsLiveFrames: string | false = kernelHas(5, 18) ? false : 'needs live frames, Linux 5.18'

/** For a test's `skip`: why GRO at the peer does not help here, or false. */
export const needsGroNapi: string | false = kernelHas(5, 13) ? false : 'needs NAPI by GRO, Linux 5.13'
