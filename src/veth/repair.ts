import { closeOnce } from '../bpf/descriptor.ts'
import { xdpPass } from '../bpf/programs.ts'
import { getChannels, setChannels } from '../ethtool/channels.ts'
import { FeatureError, setFeature } from '../ethtool/features.ts'
import { getLink, setLink } from '../rtnetlink/link-operations.ts'
import { quote } from '../wire/check-options.ts'
import type { DeviceRef } from '../wire/device-ref.ts'
import { SystemError } from '../wire/errors.ts'
import { type Operation, sheltered } from '../wire/operation.ts'
import { explainRedirect } from './explain.ts'
import { getVethPair, refOf, type VethEnd } from './peer.ts'
import { type ProbeResult, probeRedirect } from './probe.ts'
import { LONGEST_MTU_WITHOUT_FRAGMENTS } from './repairs.ts'
import { type Undo, undoRepair } from './undo.ts'
import { type Repair, TO_BE_ALLOWED, type ToBeAllowed, type Verdict } from './verdict.ts'
import { checkExplainOptions, type ExplainOptions, LONGEST_IN_ONE_BUFFER, SHORT_FRAME } from './way.ts'
import { attachXdp } from './xdp.ts'

export interface RepairOptions extends ExplainOptions {
  /** Only says what would be done. */
  readonly dryRun?: boolean
  /** The steps that must be allowed: 'native program' occupies the peer's XDP slot, 'target down and up' drops traffic. */
  readonly allow?: readonly ToBeAllowed[]
  /** Sends frames after the repair, and takes it back when they do not arrive. */
  readonly probe?: boolean
}

/** What repairRedirect() found, did and left. */
export interface RepairResult {
  readonly before: Verdict
  /** null after a dry run. */
  readonly after: Verdict | null
  /** What was done, in order, or after a dry run would be; nothing when the redirect would have arrived anyway. */
  readonly steps: readonly Repair[]
  /** null unless it was asked for. */
  readonly probe: ProbeResult | null
}

/** A repair that did not help, or was not allowed; everything that it had changed is as it was. */
export class RepairError extends Error {
  override name = 'RepairError'
  readonly code = 'ERR_VETH_NL_REPAIR'
  /** The step that failed or was not allowed, or null when the redirect would still fail, or no step is known. */
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
 * Takes the verdict's first step, asks again, and goes on until the frame would arrive: what one step does may make
 * the next one needless.
 * @throws RepairError when a step fails or is not allowed, or the frame would still not arrive.
 */
export function* repairRedirect(
  ref: DeviceRef,
  options: RepairOptions,
): Operation<{ result: RepairResult; undo: Undo[] }> {
  const { dryRun = false, allow = [], probe = false, ...way } = checked(options)
  const before = yield* explainRedirect(ref, way)
  if (dryRun) {
    const steps = before.repairs
    return { result: { before, after: null, steps, probe: null }, undo: [] }
  }
  const steps: Repair[] = []
  const undo: Undo[] = []
  let verdict = before
  let step: Repair | null = null
  try {
    while (verdict.delivers !== true) {
      for (const planned of verdict.repairs) insistOnAllowance(planned, allow, verdict)
      step = verdict.repairs.find(({ action }) => !steps.some(taken => taken.action === action)) ?? null
      if (step === null) throw new RepairError(noStepLeft(steps, verdict), null, verdict)
      yield* take(ref, step, undo)
      steps.push(step)
      step = null
      verdict = yield* explainRedirect(ref, way)
    }
    const proof = probe ? yield* proven(ref, verdict) : null
    return { result: { before, after: verdict, steps, probe: proof }, undo }
  } catch (error) {
    const failed = told(error as Error, step, verdict)
    try {
      yield* sheltered(undoRepair(undo))
    } catch (undoing) {
      const message = `${failed.message}; and it could not be taken back: ${(undoing as Error).message}`
      throw new RepairError(message, step, verdict, { cause: undoing })
    }
    throw failed
  }
}

function checked(options: RepairOptions): RepairOptions {
  checkExplainOptions('repairRedirect()', options, ['dryRun', 'allow', 'probe'])
  for (const name of ['dryRun', 'probe'] as const) {
    const value = options[name]
    if (value !== undefined && typeof value !== 'boolean') {
      throw new TypeError(`${name} must be true or false, not ${quote(value)}`)
    }
  }
  const { allow = [], probe, via = 'redirect', multiBuffer, frameSize = SHORT_FRAME } = options
  if (!Array.isArray(allow)) throw new TypeError(`allow must be a list of steps, not ${quote(allow)}`)
  for (const action of allow) {
    if (!TO_BE_ALLOWED.includes(action)) {
      throw new TypeError(`allow takes ${TO_BE_ALLOWED.map(quote).join(' and ')}, not ${quote(action)}`)
    }
  }
  if (probe && via !== 'redirect') throw new TypeError(`what goes via '${via}' cannot be probed`)
  if (probe && multiBuffer !== undefined && multiBuffer !== frameSize > LONGEST_IN_ONE_BUFFER) {
    throw new TypeError(
      `a probe's frames lie in several buffers beyond ${LONGEST_IN_ONE_BUFFER} bytes and in one below: leave multiBuffer out`,
    )
  }
  return options
}

function insistOnAllowance(step: Repair, allow: readonly ToBeAllowed[], verdict: Verdict): void {
  if (!step.mustBeAllowed || allow.some(action => action === step.action)) return
  const why =
    step.action === 'native program'
      ? `it occupies the XDP slot of ${step.device}`
      : `it drops what ${step.device} carries meanwhile, and its routes`
  const message = `'${step.action}' is needed, and must be allowed: ${why}; allow: ['${step.action}']`
  throw new RepairError(message, step, verdict)
}

function noStepLeft(steps: readonly Repair[], { summary }: Verdict): string {
  return steps.length === 0
    ? `no repair is known: ${summary}`
    : `the repair did not help and was undone: ${summary}`
}

/** By frames that go the way that was judged. */
function* proven(ref: DeviceRef, verdict: Verdict): Operation<ProbeResult> {
  const { mode, frameSize } = verdict.way
  const proof = yield* probeRedirect(ref, { mode, size: frameSize })
  if (proof.delivered === proof.sent) return proof
  const message = `${proof.delivered} of ${proof.sent} frames arrived (${proof.code ?? 'no errno'}), and the repair was undone`
  throw new RepairError(message, null, verdict)
}

function told(error: Error, step: Repair | null, verdict: Verdict): Error {
  if (step === null || !(error instanceof SystemError || error instanceof FeatureError)) return error
  return new RepairError(`'${step.command}' failed: ${error.message}`, step, verdict, { cause: error })
}

/** Notes how to take a step back before it takes it: whatever interrupts it comes too late for that. */
function* take(ref: DeviceRef, step: Repair, undo: Undo[]): Operation<void> {
  const pair = yield* getVethPair(ref)
  const end = pair[step.end]
  const device = refOf(end)
  const { address } = yield* getLink(device)
  switch (step.action) {
    case 'target up':
    case 'peer up':
      undo.push({ kind: 'up', end, address, up: false })
      return yield* setLink(device, { up: true })
    case 'gro on':
      undo.push({ kind: 'gro', end, address, on: false })
      yield* setFeature(device, 'gro', true)
      return
    case 'gro off and on':
      undo.push({ kind: 'gro', end, address, on: true })
      yield* setFeature(device, 'gro', false)
      yield* setFeature(device, 'gro', true)
      return
    case 'set channels': {
      const { rx, tx } = yield* getChannels(device)
      undo.push({ kind: 'channels', end, address, counts: { rx, tx } })
      yield* setChannels(device, step.channels ?? {})
      return
    }
    case 'native program':
      return yield* attachPass(end, address, pair.target.link.mtu, undo)
    case 'target down and up':
      undo.push({ kind: 'up', end, address, up: true })
      yield* setLink(device, { up: false })
      return yield* setLink(device, { up: true })
  }
}

/** It outlives this process, and nothing is kept open: its id is enough to take it off again. */
function* attachPass(peer: VethEnd, address: string, targetMtu: number, undo: Undo[]): Operation<void> {
  const hasFrags = targetMtu > LONGEST_MTU_WITHOUT_FRAGMENTS
  const { programId, held } = yield* attachXdp(refOf(peer), { ...xdpPass(), hasFrags }, { mode: 'native' })
  undo.push({ kind: 'native program', end: peer, address, programId })
  yield* closeOnce(held)
}
