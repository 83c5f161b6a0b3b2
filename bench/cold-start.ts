import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Contestant, Runtime } from './contestant.ts'
import { meanOf } from './program.ts'
import { progressOf } from './progress.ts'
import type { Scene } from './scene.ts'
import { type Spread, spread } from './spread.ts'
import { buildC, buildGo, PYTHON, workshop } from './workshop.ts'

/** Nanoseconds of whole processes, from their beginning to their end: for each runtime an empty one, and who runs in it. */
export type ColdStart = readonly RuntimeStarts[]

export interface RuntimeStarts {
  readonly runtime: Runtime
  readonly empty: Spread
  readonly rows: readonly ColdRow[]
}

export interface ColdRow {
  readonly name: string
  /** Asks for one link. */
  readonly asks: Spread
  /** The import in the script alone, where there is one. */
  readonly imports: Spread | null
}

const EMPTY: Record<Runtime, () => readonly string[]> = {
  Node: () => [process.execPath, emptyFile('empty.js')],
  Python: () => [PYTHON, emptyFile('empty.py')],
  C: () => [buildC('empty')],
  Go: () => [buildGo('empty')],
}

class Timer {
  readonly #values: number[] = []
  readonly #command: readonly string[]
  readonly #env: Record<string, string>

  constructor(command: readonly string[], env = {}) {
    this.#command = command
    this.#env = { NODE_OPTIONS: '', ...env }
  }

  async turn(scene: Scene, counts: boolean): Promise<void> {
    const value = await meanOf(this.#command, scene, this.#env)
    if (counts) this.#values.push(value)
  }

  spread(): Spread {
    return spread(this.#values)
  }
}

/** All in turn, by runtimes. */
export async function coldStart(
  scene: Scene,
  rounds: number,
  contestants: readonly Contestant[],
): Promise<ColdStart> {
  const whole = [buildC('whole-process'), '0', '1']
  const starts = contestants.flatMap(({ name, start }) => (start ? [{ name, ...start() }] : []))
  const runtimes = [...new Set(starts.map(({ runtime }) => runtime))].map(runtime => ({
    runtime,
    empty: new Timer([...whole, ...EMPTY[runtime]()]),
    rows: starts
      .filter(one => one.runtime === runtime)
      .map(({ name, asks, imports, env }) => ({
        name,
        asks: new Timer([...whole, ...asks], env),
        imports: imports && new Timer(imports, env),
      })),
  }))
  const timers = runtimes.flatMap(({ empty, rows }) => [
    empty,
    ...rows.flatMap(({ asks, imports }) => (imports ? [asks, imports] : [asks])),
  ])
  const progress = progressOf('cold starts', rounds)
  for (let round = -1; round < rounds; round++) {
    for (const timer of timers) await timer.turn(scene, round >= 0)
    progress(round + 1)
  }
  return runtimes.map(({ runtime, empty, rows }) => ({
    runtime,
    empty: empty.spread(),
    rows: rows.map(({ name, asks, imports }) => ({
      name,
      asks: asks.spread(),
      imports: imports?.spread() ?? null,
    })),
  }))
}

function emptyFile(name: string): string {
  const file = join(workshop(), name)
  writeFileSync(file, '')
  return file
}
