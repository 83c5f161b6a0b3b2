import type { Case } from './case.ts'

/** One run to do. `turn` counts all runs of the benchmark from 0: their order in time. */
export interface Turn {
  readonly turn: number
  /** Which repeat of its case, from 0. */
  readonly repeat: number
  readonly case: Case
}

/**
 * Every case once in each repeat, each repeat in an order of its own, so that what else the machine does and becomes
 * meanwhile falls on all alike. The same seed gives the same order.
 */
export function schedule(cases: readonly Case[], repeats: number, seed: number): Turn[] {
  const random = mulberry32(seed)
  const turns: Turn[] = []
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const each of shuffled(cases, random)) turns.push({ turn: turns.length, repeat, case: each })
  }
  return turns
}

/** Fisher and Yates. */
function shuffled<T>(values: readonly T[], random: () => number): T[] {
  const order = [...values]
  for (let at = order.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1))
    ;[order[at], order[other]] = [order[other]!, order[at]!]
  }
  return order
}

/** Numbers from 0 to 1 that a seed of 32 bits decides: Math.random() takes none. By Tommy Ettinger. */
export function mulberry32(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
