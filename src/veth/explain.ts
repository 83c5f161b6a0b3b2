import { checkOptions } from '../wire/check-options.ts'
import type { DeviceRef } from '../wire/device-ref.ts'
import type { Operation } from '../wire/operation.ts'
import { gatherFacts } from './facts.ts'
import { judge } from './judge.ts'
import type { Verdict } from './verdict.ts'

export interface ExplainOptions {
  /** The frame's length in bytes, without its checksum; 64 when left out. */
  readonly frameSize?: number
}

export const SHORT_FRAME = 64

/**
 * Whether an XDP program in native mode can redirect into a device, and if not, why. Reads only.
 * Where the peer is out of reach, `delivers` is null unless the target's own side says enough.
 * @throws NetlinkError ENODEV when there is no such device.
 */
export function* explainRedirect(ref: DeviceRef, options: ExplainOptions): Operation<Verdict> {
  checkOptions('explainRedirect()', options, ['frameSize'])
  const { frameSize = SHORT_FRAME } = options
  if (!Number.isInteger(frameSize) || frameSize < 1) {
    throw new RangeError(`frameSize must be a number of bytes, not ${frameSize}`)
  }
  return judge(yield* gatherFacts(ref), frameSize)
}
