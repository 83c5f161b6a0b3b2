import { progressOf } from '../progress.ts'
import type { Case } from './case.ts'
import { Ceilings } from './ceilings.ts'
import { lookFirst } from './first-look.ts'
import { idOf } from './matrix.ts'
import { framesFor, measure, PARTS } from './measure.ts'
import { byTurns, runTheirs, type Theirs, theirsOf } from './oracle.ts'
import type { Plan } from './plan.ts'
import { prepared } from './prepared.ts'
import type { CaseResult, Results, Run } from './results.ts'
import type { Scene } from './scene.ts'
import { schedule, type Turn } from './schedule.ts'
import { tellGivenUp, watchTurns } from './turns.ts'
import { howOf, whatOf } from './words.ts'

/** A case as it goes along. */
interface Underway extends Omit<CaseResult, 'runs' | 'notRun'> {
  notRun: string | null
  readonly runs: Run[]
  /** The same by other programs. */
  theirs: readonly Theirs[]
  /** How many each part of a sample has. */
  readonly frames: number
}

/**
 * Looks at every case once, then measures them turn by turn; each repeat begins with the generator's ceilings. What fails
 * is given up, and the others go on.
 * @throws the signal's reason when it is aborted, and an Error where no case can be run.
 */
export async function runAll(
  scene: Scene,
  plan: Plan,
): Promise<Pick<Results, 'ceilings' | 'cases' | 'references'>> {
  const { cases, repeats, seed, signal } = plan
  const ceilings = await Ceilings.open(scene, plan)
  const underway = new Map<string, Underway>()
  const looked = progressOf('cases looked at', cases.length)
  for (const each of cases) {
    signal.throwIfAborted()
    underway.set(idOf(each), await firstVisit(scene, each, plan))
    looked(underway.size)
  }
  refuseNothing([...underway.values()])
  const turns = schedule(cases, repeats, seed)
  const watch = watchTurns(turns.length)
  for (const next of turns) {
    signal.throwIfAborted()
    watch(next)
    if (next.turn % cases.length === 0) await ceilings.measure()
    const one = underway.get(idOf(next.case))!
    if (one.notRun !== null) continue
    await takeTurn(scene, plan, one, next)
    refuseNothing([...underway.values()])
  }
  watch()
  const all = [...underway.values()]
  return {
    ceilings: ceilings.results(),
    cases: all.map(({ frames, theirs, ...result }) => result),
    references: all.flatMap(({ case: each, theirs }) =>
      theirs.map(({ oracle, runs }) => ({ by: oracle.name, case: each, runs })),
    ),
  }
}

async function firstVisit(
  scene: Scene,
  what: Case,
  { cpus, milliseconds, oracles, signal }: Plan,
): Promise<Underway> {
  const traffic = { size: what.size, cores: cpus.slice(0, what.cores) }
  const theirs = theirsOf(oracles.filter(oracle => oracle.does(what)))
  const begun = { case: what, runs: [], theirs }
  try {
    return await prepared(scene, what, async () => {
      const frames = await framesFor(scene, traffic, milliseconds / PARTS)
      return { ...begun, notRun: null, frames, ...(await lookFirst(scene, { ...traffic, frames }, what)) }
    })
  } catch (error) {
    signal.throwIfAborted()
    const notRun = (error as Error).message
    return { ...begun, theirs: [], notRun, frames: 0, explained: { reason: null }, traced: null }
  }
}

/** One run of a case, and one by each of the other programs that do that. A case that fails is given up, with its runs. */
async function takeTurn(scene: Scene, { cpus, signal }: Plan, one: Underway, at: Turn): Promise<void> {
  const { frames, case: what } = one
  const traffic = { frames, size: what.size, cores: cpus.slice(0, what.cores) }
  const words = `${howOf(what)}, ${whatOf(what)}`
  const ours = async () => {
    try {
      one.runs.push({ ...(await prepared(scene, what, () => measure(scene, traffic))), turn: at.turn })
    } catch (error) {
      signal.throwIfAborted()
      one.notRun = `repeat ${at.repeat + 1} failed: ${(error as Error).message}`
      one.runs.length = 0
      one.theirs = []
      tellGivenUp(words, one.notRun)
    }
  }
  await byTurns(one.runs.length, ours, async () => {
    one.theirs = await runTheirs(one.theirs, words, signal, oracle => oracle.redirect(scene, traffic, what))
  })
}

/** @throws Error where no case is left. */
function refuseNothing(all: readonly Underway[]): void {
  if (all.some(({ notRun }) => notRun === null)) return
  throw new Error(`nothing of this can be run: ${all[0]?.notRun ?? 'there is no case'}`)
}
