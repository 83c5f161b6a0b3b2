import { progressOf } from '../progress.ts'
import type { Turn } from './schedule.ts'
import { howOf, whatOf } from './words.ts'

/** Tells on stderr which run comes next and how long all will take. Called before each turn, and without one at the end. */
export function watchTurns(total: number): (next?: Turn) => void {
  const progress = progressOf('runs', total)
  const begun = performance.now()
  return next => {
    if (next === undefined) return progress(total)
    const what = `${howOf(next.case)}, ${whatOf(next.case)}`
    progress(
      next.turn,
      next.turn === 0 ? what : `${leftOf(performance.now() - begun, next.turn, total)}: ${what}`,
    )
  }
}

/** Tells on stderr what is given up, and why, on a line of its own. */
export function tellGivenUp(what: string, why: string): void {
  process.stderr.write(`${process.stderr.isTTY ? '\n' : ''}given up: ${what}: ${why}\n`)
}

/** 'about 3 min left', when `done` of `total` took so many milliseconds. */
export function leftOf(milliseconds: number, done: number, total: number): string {
  const seconds = Math.ceil((milliseconds * (total - done)) / done / 1000)
  return seconds < 100 ? `about ${seconds} s left` : `about ${Math.round(seconds / 60)} min left`
}
