import { collectGarbage } from './collect.ts'
import { type Contestant, RAW_C } from './contestant.ts'
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
  /** Who the ratios are to: the limit; where it has no row, the fastest. */
  readonly basis: string
  readonly rows: readonly Row[]
}

/** Nanoseconds of one repeat, over the rounds. A round's value is the mean of its repeats: garbage collection is part of it. */
export interface Row extends Spread {
  readonly name: string
  readonly rounds: number
  /** Of its median to that of the basis. */
  readonly ratio: number
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
  const each = doing.map(({ contestant: { name }, values }) => ({ name, values }))
  return { id, what, title, repeats, ...compared(each) }
}

/** The values of each as rows with ratios. */
export function compared(
  each: readonly { readonly name: string; readonly values: readonly number[] }[],
): Pick<Taken, 'basis' | 'rows'> {
  const rows = each.map(({ name, values }) => ({ name, rounds: values.length, ...spread(values) }))
  const limit = rows.find(({ name }) => name === RAW_C)
  const basis = limit ?? rows.reduce((fastest, row) => (row.median < fastest.median ? row : fastest))
  return { basis: basis.name, rows: rows.map(row => ({ ...row, ratio: row.median / basis.median })) }
}
