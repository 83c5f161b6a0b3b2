import { framesFor, measure, PARTS, type Traffic } from './measure.ts'
import { byTurns, type Oracle, runTheirs, type Theirs, theirsOf } from './oracle.ts'
import type { Plan } from './plan.ts'
import { withSink } from './prepared.ts'
import type { Ceiling } from './results.ts'
import type { Sample } from './sample.ts'
import type { Scene } from './scene.ts'
import { tellGivenUp } from './turns.ts'
import { coresOf } from './words.ts'

/** What the generator does alone with frames of one size from so many cores, and other programs beside it. */
interface Underway {
  readonly traffic: Traffic
  readonly ours: Sample[]
  /** Of the programs that do that. */
  theirs: readonly Theirs[]
}

/** The generators' own rates, for each size and number of cores that the cases have. */
export class Ceilings {
  readonly #scene: Scene
  readonly #signal: AbortSignal
  /** One that fails is given up, with a line on stderr. */
  #all: readonly Underway[]

  private constructor(scene: Scene, signal: AbortSignal, all: readonly Underway[]) {
    this.#scene = scene
    this.#signal = signal
    this.#all = all
  }

  /** Finds out how many frames are to be sent. Of what another machine sends there is nothing to measure. */
  static async open(scene: Scene, { cases, cpus, oracles, milliseconds, signal }: Plan): Promise<Ceilings> {
    const kinds = new Map(cases.map(({ size, cores }) => [`${size} ${cores}`, { size, cores }]))
    const all: Underway[] = []
    for (const kind of scene.generator === null ? [] : kinds.values()) {
      const traffic = { size: kind.size, cores: cpus.slice(0, kind.cores) }
      const theirs = theirsOf(oracles.filter(oracle => oracle.sends(kind)))
      try {
        const frames = await withSink(scene, sink => framesFor(sink, traffic, milliseconds / PARTS))
        all.push({ traffic: { ...traffic, frames }, ours: [], theirs })
      } catch (error) {
        signal.throwIfAborted()
        tellGivenUp(wordsOf(traffic), (error as Error).message)
      }
    }
    return new Ceilings(scene, signal, all)
  }

  /** One more sample of each; ours and the other programs' one after the other. */
  async measure(): Promise<void> {
    const left: Underway[] = []
    for (const one of this.#all) if (await this.#measureOne(one)) left.push(one)
    this.#all = left
  }

  /** false: it failed, and is given up. */
  async #measureOne(one: Underway): Promise<boolean> {
    const { traffic, ours } = one
    let failed = false
    const own = async () => {
      try {
        const { steady, ...sample } = await withSink(this.#scene, sink => measure(sink, traffic))
        ours.push(sample)
      } catch (error) {
        this.#signal.throwIfAborted()
        failed = true
        one.theirs = []
        tellGivenUp(wordsOf(traffic), (error as Error).message)
      }
    }
    await byTurns(ours.length, own, async () => {
      const run = (oracle: Oracle) => oracle.ceiling(this.#scene, traffic)
      one.theirs = await runTheirs(one.theirs, wordsOf(traffic), this.#signal, run)
    })
    return !failed
  }

  results(): Ceiling[] {
    return this.#all.flatMap(({ traffic: { size, cores }, ours, theirs }) => {
      const what = { size, cores: cores.length }
      const own = { by: this.#scene.generator!.name, ...what, runs: ours }
      return [own, ...theirs.map(({ oracle, runs }) => ({ by: oracle.name, ...what, runs }))]
    })
  }
}

function wordsOf({ size, cores }: Omit<Traffic, 'frames'>): string {
  return `the generator alone, ${size} bytes, ${coresOf(cores.length)}`
}
