import { FeatureError, getFeatures, setFeature } from '../ethtool/features.ts'
import { getLink, setLink } from '../rtnetlink/link-operations.ts'
import type { DeviceRef } from '../wire/device-ref.ts'
import { SystemError } from '../wire/errors.ts'
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
 * Takes the verdict's first step, asks again, and goes on until the redirect would arrive: what one step does may
 * make the next one needless.
 * @throws RepairError when a step fails or the redirect would still not arrive.
 */
export function* repairRedirect(
  ref: DeviceRef,
  options: ExplainOptions,
): Operation<{ result: RepairResult; undo: Undo[] }> {
  const before = yield* explainRedirect(ref, options)
  const steps: Repair[] = []
  const undo: Undo[] = []
  let verdict = before
  let step: Repair | null = null
  try {
    while (verdict.delivers !== true) {
      step = verdict.repairs.find(({ action }) => !steps.some(taken => taken.action === action)) ?? null
      if (step === null) throw new RepairError(noStepLeft(steps, verdict), null, verdict)
      yield* take(ref, step, undo)
      steps.push(step)
      step = null
      verdict = yield* explainRedirect(ref, options)
    }
    return { result: { before, after: verdict, steps }, undo }
  } catch (error) {
    yield* sheltered(undoRepair(undo))
    if (step === null || !(error instanceof SystemError || error instanceof FeatureError)) throw error
    throw new RepairError(`'${step.command}' failed: ${error.message}`, step, verdict, { cause: error })
  }
}

function noStepLeft(steps: readonly Repair[], { summary }: Verdict): string {
  return steps.length === 0
    ? `no repair is known: ${summary}`
    : `the repair did not help and was undone: ${summary}`
}

/** Takes the steps back, last one first, as far as they were taken. */
export function* undoRepair(undo: readonly Undo[]): Operation<void> {
  for (const step of undo.toReversed()) {
    if (step.kind === 'gro') {
      const { gro } = yield* getFeatures(step.ref)
      if (gro.wanted !== step.on) yield* setFeature(step.ref, 'gro', step.on)
    } else {
      const { up } = yield* getLink(step.ref)
      if (up) yield* setLink(step.ref, { up: false })
    }
  }
}

/** Notes how to take a step back before it takes it: whatever interrupts it comes too late for that. */
function* take(ref: DeviceRef, { action }: Repair, undo: Undo[]): Operation<void> {
  const { target, peer } = yield* getVethPair(ref)
  const end = refOf(action === 'target up' ? target : peer)
  switch (action) {
    case 'target up':
    case 'peer up':
      undo.push({ kind: 'link down', ref: end })
      yield* setLink(end, { up: true })
      return
    case 'gro on':
      undo.push({ kind: 'gro', ref: end, on: false })
      yield* setFeature(end, 'gro', true)
      return
    case 'gro off and on':
      undo.push({ kind: 'gro', ref: end, on: true })
      yield* setFeature(end, 'gro', false)
      yield* setFeature(end, 'gro', true)
      return
  }
}
