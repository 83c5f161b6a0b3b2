import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { type Device, RepairError, UnsupportedError } from '../../src/sync.ts'
import { kernelHas } from '../tools/kernel-needs.ts'
import { WalkedPair } from './pair.ts'
import { Random } from './random.ts'
import { channelsOf, settingsOf } from './settings.ts'

export interface Walked {
  readonly steps: number
  /** Different states in which a redirect was judged and sent. */
  readonly states: number
  readonly delivered: number
  readonly refused: number
  /** Repairs that made frames arrive, each undone again. */
  readonly repaired: number
}

/** Up to what no MTU of the walk takes; the last ones come in several buffers, for which native programs are too old before 5.18. */
const SIZES = [64, 64, 64, 64, 64, 118, 119, 918, 919, 1518, 1519, 3018, 3019]
if (kernelHas(5, 18)) SIZES.push(3600, 5000, 9019)
const ALL = ['native program', 'target down and up'] as const

/**
 * Changes a pair at random, and after each change sends frames through it: the verdict must say what they do. Where
 * they are lost, a repair must make them arrive, and its undoing leave all settings as they were.
 * @throws Error with the steps so far when verdict and frames disagree.
 */
export async function walk(
  seed: number,
  steps: number,
  progress: (done: number) => void = () => {},
): Promise<Walked> {
  const random = new Random(seed)
  const pair = new WalkedPair(random)
  const history: string[] = []
  const states = new Set<string>()
  const count = { delivered: 0, refused: 0, repaired: 0 }
  try {
    for (let step = 1; step <= steps; step++) {
      history.push(pair.change())
      const [target, peer] = random.chance(0.5) ? pair.ends : [pair.ends[1], pair.ends[0]]
      const size = random.pick(SIZES)
      const mode = random.chance(0.25) ? 'generic' : 'native'
      states.add(`${mode} ${size} ${await stateOf(target)} > ${await stateOf(peer)}`)
      try {
        if (agree(target, mode, size)) count.delivered++
        else {
          count.refused++
          if (random.chance(0.1)) mendByHand(target, mode, size)
          else if (await mend(target, peer, mode, size, random.chance(0.3))) count.repaired++
        }
      } catch (error) {
        throw new Error(failure(seed, step, history, target, mode, size, error as Error), { cause: error })
      }
      progress(step)
    }
  } finally {
    pair.remove()
  }
  return { steps, states: states.size, ...count }
}

function failure(
  seed: number,
  step: number,
  history: readonly string[],
  target: Device,
  mode: string,
  size: number,
  { message }: Error,
): string {
  return [
    `seed ${seed}, step ${step}: ${mode} redirect of ${size} bytes into ${target}`,
    message,
    'the last changes:',
    ...history.slice(-20).map(change => `  ${change}`),
    `again: npm run test:walk -- --seed ${seed} --steps ${step}`,
  ].join('\n')
}

/** Whether the frames arrived, which the verdict must have said before. */
function agree(target: Device, mode: 'native' | 'generic', size: number): boolean {
  const verdict = target.explainRedirect({ mode, frameSize: size })
  const { sent, delivered, code, where, outcomes, peerNapi } = target.probeRedirect({ frames: 8, size, mode })
  const words = `${verdict.summary}\n${JSON.stringify(outcomes)}`
  assert.deepEqual(
    { delivers: verdict.delivers, code: verdict.code },
    { delivers: delivered === sent, code },
    words,
  )
  if (code !== null) assert.equal(where, verdict.where?.tracepoint, words)
  assert.ok(delivered === sent || delivered === 0, `${delivered} of ${sent} arrived: ${words}`)
  // Where a verdict can only infer NAPI (before 6.8) the probe has seen it in the kernel's memory.
  const napi = verdict.checks.find(({ name }) => name === 'peer NAPI')
  if (napi !== undefined && peerNapi !== null) assert.equal(napi.value, peerNapi.instances > 0, napi.evidence)
  return delivered === sent
}

/** A repair, proven by frames, taken back, and made again where it is to be kept. false: there was none, for a reason that holds. */
async function mend(
  target: Device,
  peer: Device,
  mode: 'native' | 'generic',
  size: number,
  keep: boolean,
): Promise<boolean> {
  const before = [await settingsOf(target), await settingsOf(peer)]
  const verdict = target.explainRedirect({ mode, frameSize: size })
  try {
    const repair = target.repairRedirect({ mode, frameSize: size, allow: ALL, probe: true })
    assert.equal(repair.probe?.delivered, repair.probe?.sent)
    assert.deepEqual(repair.steps, verdict.repairs, 'the repair took other steps than the verdict gives')
    repair.undo()
    assert.deepEqual([await settingsOf(target), await settingsOf(peer)], before, 'undo() left something')
    if (keep) target.repairRedirect({ mode, frameSize: size, allow: ALL })
    return true
  } catch (error) {
    if (!(error instanceof RepairError)) throw error
    assert.ok(isBeyondRepair(target, peer, size, mode), `${error.message}\n${verdict.summary}`)
    assert.match(error.message, /No repair: /)
    assert.deepEqual(
      [await settingsOf(target), await settingsOf(peer)],
      before,
      'a repair that failed left something',
    )
    return false
  }
}

/** The commands that a verdict prints do in a shell what it says: all but those that take this package installed. */
function mendByHand(target: Device, mode: 'native' | 'generic', size: number): void {
  const { repairs, summary } = target.explainRedirect({ mode, frameSize: size })
  if (repairs.length === 0 || repairs.some(({ action }) => action === 'native program')) return
  for (const { command } of repairs) execFileSync('sh', ['-c', command], { stdio: 'pipe' })
  const after = target.explainRedirect({ mode, frameSize: size })
  assert.equal(after.delivers, true, `typed in, this did not help: ${summary}\nafterwards: ${after.summary}`)
}

/** Frames that are too long; in several buffers before these were redirected; and before GRO meant NAPI a peer that cannot take a program. */
function isBeyondRepair(target: Device, peer: Device, size: number, mode: 'native' | 'generic'): boolean {
  const [t, p] = [target.getLink(), peer.getLink()]
  if (size > t.mtu + 18 || size > p.mtu + 18) return true
  if (mode === 'native' && size > 3500 && !kernelHas(6, 3)) return true
  if (kernelHas(5, 13)) return false
  return p.xdp?.mode === 'generic' || t.mtu > 3506
}

/** What of an end decides, in a few words. */
async function stateOf(end: Device): Promise<string> {
  const { up, mtu, xdp } = end.getLink()
  const { gro } = end.getFeatures()
  const [rx, tx] = (await channelsOf(end)) ?? [0, 0]
  return [up, mtu, xdp?.mode, gro.wanted, gro.active, rx, tx, xdpFeaturesOf(end)].join(' ')
}

function xdpFeaturesOf(end: Device): string {
  try {
    return end.getXdpFeatures().join('+')
  } catch (error) {
    if (error instanceof UnsupportedError) return ''
    throw error
  }
}
