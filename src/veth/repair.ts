import { setFeature } from '../ethtool/features.ts'
import { setLink } from '../rtnetlink/link-operations.ts'
import type { DeviceRef } from '../wire/device-ref.ts'
import { type Operation, sheltered } from '../wire/operation.ts'
import { type ExplainOptions, explainRedirect } from './explain.ts'
import { getVethPair, refOf } from './peer.ts'
import type { Repair, Verdict } from './verdict.ts'

/** What repairRedirect() found, did and left. */
export interface RepairResult {
  readonly before: Verdict
  readonly after: Verdict
  /** What was done, in order; nothing when the redirect would have arrived anyway. */
  readonly steps: readonly Repair[]
}

/** What takes one step back, by the devices' indexes: a name may change meanwhile. */
export type Undo =
  | { readonly kind: 'link down'; readonly ref: DeviceRef }
  | { readonly kind: 'gro'; readonly ref: DeviceRef; readonly on: boolean }

/** A repair that did not help; everything that it had changed is as it was. */
export class RepairError extends Error {
  override name = 'RepairError'
  readonly code = 'ERR_VETH_NL_REPAIR'
  /** The step that failed, or null when all went well and the redirect would still fail, or none is known. */
  readonly step: Repair | null
  /** The verdict after the steps, or before them when one failed. */
  readonly verdict: Verdict

  constructor(message: string, step: Repair | null, verdict: Verdict, options?: ErrorOptions) {
    super(message, options)
    this.step = step
    this.verdict = verdict
  }
}

/**
 * Takes the verdict's repairs in order and asks again.
 * @throws RepairError when a step fails or the redirect would still not arrive.
 */
export function* repairRedirect(
  ref: DeviceRef,
  options: ExplainOptions,
): Operation<{ result: RepairResult; undo: Undo[] }> {
  const before = yield* explainRedirect(ref, options)
  if (before.delivers === true) return { result: { before, after: before, steps: [] }, undo: [] }
  if (before.repairs.length === 0)
    throw new RepairError(`no repair is known: ${before.summary}`, null, before)
  const undo: Undo[] = []
  for (const step of before.repairs) {
    try {
      yield* take(ref, step, undo)
    } catch (error) {
      yield* sheltered(undoRepair(undo))
      throw new RepairError(`'${step.command}' failed: ${(error as Error).message}`, step, before, {
        cause: error,
      })
    }
  }
  const after = yield* explainRedirect(ref, options)
  if (after.delivers !== true) {
    yield* sheltered(undoRepair(undo))
    throw new RepairError(`the repair did not help and was undone: ${after.summary}`, null, after)
  }
  return { result: { before, after, steps: before.repairs }, undo }
}

/** Takes the steps back, last one first. */
export function* undoRepair(undo: readonly Undo[]): Operation<void> {
  for (const step of undo.toReversed()) {
    if (step.kind === 'gro') yield* setFeature(step.ref, 'gro', step.on)
    else yield* setLink(step.ref, { up: false })
  }
}

function* take(ref: DeviceRef, { action }: Repair, undo: Undo[]): Operation<void> {
  const { target, peer } = yield* getVethPair(ref)
  const targetRef = refOf(target)
  const peerRef = refOf(peer)
  switch (action) {
    case 'target up':
      yield* setLink(targetRef, { up: true })
      undo.push({ kind: 'link down', ref: targetRef })
      return
    case 'peer up':
      yield* setLink(peerRef, { up: true })
      undo.push({ kind: 'link down', ref: peerRef })
      return
    case 'gro on':
      yield* setFeature(peerRef, 'gro', true)
      undo.push({ kind: 'gro', ref: peerRef, on: false })
      return
    case 'gro off and on':
      yield* setFeature(peerRef, 'gro', false)
      undo.push({ kind: 'gro', ref: peerRef, on: true })
      yield* setFeature(peerRef, 'gro', true)
      undo.pop() // GRO is as it was; only the target's bit has followed
      return
  }
}
