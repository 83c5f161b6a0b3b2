import { collectGarbage } from './collect.ts'
import type { Contestant } from './contestant.ts'
import { progressOf } from './progress.ts'
import { type Spread, spread } from './spread.ts'
import type { What, Work } from './works.ts'

/** Rounds that do not count, of those who are compiled as they run. */
const WARM_UP = 3
/** A slow one whose turn takes longer than this has one in so many rounds only. */
const LONG_TURN_MS = 1000
const SELDOM = 5

/** What a work took everyone who did it. */
export interface Taken {
  readonly id: string
  readonly what: What
  readonly title: string
  /** How often in each turn, by those who are not slow. */
  readonly repeats: number
  readonly rows: readonly Row[]
}

/** Nanoseconds of one repeat, over the rounds. A round's value is the mean of its repeats: garbage collection is part of it. */
export interface Row extends Spread {
  readonly name: string
  readonly rounds: number
}

/** Everyone in turn (A B C A B C …), so that what else the machine does falls on all alike. */
export async function runRounds(work: Work, all: readonly Contestant[], rounds: number): Promise<Taken> {
  const { id, what, title, repeats } = work
  const progress = progressOf(`rounds of ${id}`, rounds)
  const doing = all
    .filter(({ can }) => can.includes(what))
    .map(contestant => ({ contestant, values: [] as number[], long: false }))
  collectGarbage()
  for (let round = -WARM_UP; round < rounds; round++) {
    for (const one of doing) {
      if (round < 0 ? !one.contestant.warmsUp : one.long && round % SELDOM !== 0) continue
      const begun = performance.now()
      const value = await one.contestant.turn(work)
      one.long = one.contestant.slow === true && performance.now() - begun > LONG_TURN_MS
      if (round >= 0) one.values.push(value)
    }
    progress(round + 1)
  }
  const rows = doing.map(({ contestant: { name }, values }) => ({
    name,
    rounds: values.length,
    ...spread(values),
  }))
  return { id, what, title, repeats, rows }
}
