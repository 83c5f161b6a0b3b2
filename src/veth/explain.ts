import type { DeviceRef } from '../wire/device-ref.ts'
import type { Operation } from '../wire/operation.ts'
import { gatherFacts } from './facts-again.ts'
import { judge } from './judge.ts'
import type { Verdict } from './verdict.ts'
import { checkExplainOptions, type ExplainOptions } from './way.ts'

/**
 * Whether a frame that an XDP program sends into a device arrives, and if not, why. Reads only; needs no privilege
 * but the one to enter the peer's namespace. Where a fact that decides cannot be had, `delivers` is null.
 * @throws NetlinkError or SystemError when the kernel cannot be asked.
 */
export function* explainRedirect(ref: DeviceRef, options: ExplainOptions): Operation<Verdict> {
  checkExplainOptions('explainRedirect()', options)
  return judge(yield* gatherFacts(ref, options))
}
