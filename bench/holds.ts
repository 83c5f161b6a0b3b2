import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { LoopDelay } from './loop-watch.ts'
import { urlOf } from './published.ts'
import type { Scene } from './scene.ts'

const PROGRAM = fileURLToPath(new URL('hold-loop.ts', import.meta.url))

/** How long requests by promises hold the event loop at a stretch. */
export interface Holds {
  readonly links: number
  /** A program that waits for a timer: what the machine and the watching itself come to. */
  readonly idle: Held
  /** One link by name, as often as in a turn, one after the other. */
  readonly get: Held
  /** A dump of so many links. */
  readonly dump: Held
}

export interface Held {
  /** The program's first round of it: it compiles what the others run, and the heap grows. */
  readonly first: LoopDelay
  readonly rounds: readonly LoopDelay[]
}

export function runHolds({ netns, name, links }: Scene, rounds: number, gets: number): Holds {
  const { status, stdout } = spawnSync(
    process.execPath,
    [...process.execArgv, PROGRAM, urlOf('index.js'), `${rounds}`, `${gets}`, name],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit', netns.fd!] },
  )
  if (status !== 0) throw new Error(`${PROGRAM} failed`)
  return { links, ...JSON.parse(stdout) }
}
