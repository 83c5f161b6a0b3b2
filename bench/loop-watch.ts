import { closeSync, openSync, readSync } from 'node:fs'

/** How long the event loop kept others waiting; milliseconds. */
export interface LoopDelay {
  /** The longest gap between two callbacks, whatever the reason. */
  readonly delay: number
  /** 99 of 100 gaps were no longer than this. */
  readonly p99: number
  /**
   * The longest that the program itself held it: of one gap, what was spent neither asleep in the loop's poll, as
   * when the machine is late to wake it, nor runnable while others had the processors.
   */
  readonly held: number
}

/**
 * Watches the event loop while the work goes on.
 *
 * 'turn': setImmediate, once per turn. Exact to microseconds, but the loop spins and takes a whole processor.
 * 'millisecond': a timer of 1 ms, which leaves the loop to sleep; up to that 1 ms is counted too much in a gap, and all
 * that was done between two timers is held against the program, in one turn or in several.
 *
 * perf_hooks' monitorEventLoopDelay measures like the second, but cannot tell a loop that is held from one that the
 * machine is late to run: where this was written, a C program that only sleeps 1 ms at a time sees gaps of 4 ms.
 */
export async function watchLoop(
  each: 'turn' | 'millisecond',
  work: () => Promise<unknown>,
): Promise<LoopDelay> {
  const file = openSync('/proc/self/schedstat', 'r') // the main thread's
  const gaps: number[] = []
  let held = 0
  let over = false
  let [last, now] = [new Moment(), new Moment()]

  const look = () => {
    takeMoment(file, now)
    const gap = now.time - last.time
    gaps.push(gap)
    held = Math.max(held, gap - (now.idle - last.idle) - (now.withoutCpu - last.withoutCpu))
    ;[last, now] = [now, last]
    if (!over) again()
  }
  const again = () => (each === 'turn' ? setImmediate(look) : setTimeout(look, 1))

  takeMoment(file, last)
  again()
  try {
    await work()
  } finally {
    over = true
    await new Promise(resolve => setTimeout(resolve, 2)) // the turn in which the work ended counts too
    closeSync(file)
  }
  gaps.sort((a, b) => a - b)
  return { delay: gaps.at(-1)!, p99: gaps[Math.floor(0.99 * (gaps.length - 1))]!, held }
}

/** Milliseconds since some beginning. Two take turns: what is watched must not have the watching's garbage in its heap. */
class Moment {
  /** By the clock. */
  time = 0
  /** Asleep in the loop's poll. */
  idle = 0
  /** Runnable without a processor. */
  withoutCpu = 0
}

function takeMoment(file: number, moment: Moment): void {
  moment.time = performance.now()
  moment.idle = performance.nodeTiming.idleTime
  moment.withoutCpu = waitedForCpu(file)
}

const text = new Uint8Array(64)

/** "run-ns wait-ns slices": Documentation/scheduler/sched-stats.rst. */
function waitedForCpu(file: number): number {
  readSync(file, text, 0, text.length, 0)
  let nanoseconds = 0
  for (let i = text.indexOf(SPACE) + 1; text[i] !== SPACE; i++)
    nanoseconds = 10 * nanoseconds + text[i]! - DIGIT_0
  return nanoseconds / 1e6
}
const SPACE = 0x20
const DIGIT_0 = 0x30
