import { framesFor, measure, PARTS, type Traffic } from './measure.ts'
import { type Theirs, theirsOf } from './oracle.ts'
import type { Plan } from './plan.ts'
import { withSink } from './prepared.ts'
import type { Ceiling } from './results.ts'
import type { Sample } from './sample.ts'
import type { Scene } from './scene.ts'

/** What the generator does alone with frames of one size from so many cores, and other programs beside it. */
interface Underway {
  readonly traffic: Traffic
  readonly ours: Sample[]
  /** Of the programs that do that. */
  readonly theirs: readonly Theirs[]
}

/** The generators' own rates, for each size and number of cores that the cases have. */
export class Ceilings {
  readonly #scene: Scene
  readonly #all: readonly Underway[]

  private constructor(scene: Scene, all: readonly Underway[]) {
    this.#scene = scene
    this.#all = all
  }

  /** Finds out how many frames are to be sent. Of what another machine sends there is nothing to measure. */
  static async open(scene: Scene, { cases, cpus, oracles, milliseconds }: Plan): Promise<Ceilings> {
    const kinds = new Map(cases.map(({ size, cores }) => [`${size} ${cores}`, { size, cores }]))
    const all: Underway[] = []
    for (const kind of scene.generator === null ? [] : kinds.values()) {
      const traffic = { size: kind.size, cores: cpus.slice(0, kind.cores) }
      const frames = await withSink(scene, sink => framesFor(sink, traffic, milliseconds / PARTS))
      const theirs = theirsOf(oracles.filter(oracle => oracle.sends(kind)))
      all.push({ traffic: { ...traffic, frames }, ours: [], theirs })
    }
    return new Ceilings(scene, all)
  }

  /** One more sample of each; ours and the other programs' one after the other. */
  async measure(): Promise<void> {
    for (const { traffic, ours, theirs } of this.#all) {
      const { steady, ...sample } = await withSink(this.#scene, sink => measure(sink, traffic))
      ours.push(sample)
      for (const { oracle, runs } of theirs) runs.push(await oracle.ceiling(this.#scene, traffic))
    }
  }

  results(): Ceiling[] {
    return this.#all.flatMap(({ traffic: { size, cores }, ours, theirs }) => {
      const what = { size, cores: cores.length }
      const own = { by: this.#scene.generator!.name, ...what, runs: ours }
      return [own, ...theirs.map(({ oracle, runs }) => ({ by: oracle.name, ...what, runs }))]
    })
  }
}
