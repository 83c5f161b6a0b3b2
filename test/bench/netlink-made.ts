import type { Measured } from '../../bench/bounds.ts'
import { OURS_PROMISES, OURS_SYNC, RAW_C } from '../../bench/contestant.ts'
import { compared, type Taken } from '../../bench/rounds.ts'
import { spread } from '../../bench/spread.ts'
import type { What } from '../../bench/works.ts'

export const SIZES = [11, 21, 31]
export const LIBNL = 'libnl'

/** A work in which raw C takes 100 and the others what is said, in nanoseconds. */
export function takenBy(id: string, others: Record<string, number>): Taken {
  const each = Object.entries({ [RAW_C]: 100, ...others }).map(([name, value]) => ({ name, values: [value] }))
  const what = id.replace(/-\d+$/, '') as What
  return { id, what, title: `${id} & <all>`, repeats: 1, ...compared(each) }
}

/** All that bounds are about, and all of them hold. */
export function madeMeasured(): Measured {
  const ids = ['links', 'names', 'visit'].flatMap(what => SIZES.map(size => `${what}-${size}`))
  const others = { [OURS_SYNC]: 110, [OURS_PROMISES]: 400, [LIBNL]: 200 }
  const delay = (held: number) => ({ delay: held + 1, p99: held, held })
  const held = { first: delay(50), rounds: [0.3, 0.1, 9].map(delay) }
  const felt = { lasted: 1, answered: 1, slowest: 1, loopP99: 2, loopDelay: 40, loopHeld: 1, stat: 3 }
  const start = (name: string, milliseconds: number) => ({
    name,
    asks: spread([milliseconds * 1e6]),
    imports: null,
  })
  return {
    taken: [...ids, 'by-name', 'peer'].map(id => takenBy(id, others)),
    holds: { links: 31, idle: held, get: held, dump: held },
    contention: [
      {
        meanwhile: 'links go',
        disturbing: true,
        waiting: { requests: 8, files: 1 },
        repeats: [felt, felt, { ...felt, loopP99: 30, loopDelay: 70 }],
      },
    ],
    verdicts: {
      namespaces: 3,
      pairs: 8,
      roundTrip: spread([90]), // where the verdicts are, not where one link is asked for
      first: 4500,
      oneByOne: spread([800, 900, 9000]),
      sweep: spread([2000]),
    },
    coldStart: [
      { runtime: 'C', empty: spread([1e6]), rows: [start(LIBNL, 2)] },
      {
        runtime: 'Node',
        empty: spread([100e6]),
        rows: [start(OURS_SYNC, 120), start(OURS_PROMISES, 125)],
      },
    ],
    memory: {
      links: 21,
      rows: [
        { name: LIBNL, resident: spread([900]), heap: null },
        { name: OURS_SYNC, resident: spread([3000]), heap: spread([800]) },
      ],
    },
  }
}
