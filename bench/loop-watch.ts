import { closeSync, openSync, readSync } from 'node:fs'

/** The longest that the event loop kept something waiting, in milliseconds. */
export interface LoopDelay {
  readonly delay: number
  /** What of it passed while the thread could run and other threads or programs had the processors. */
  readonly withoutCpu: number
}

/**
 * Watches the event loop while the work goes on: the longest gap between two callbacks.
 *
 * 'turn': setImmediate, once per turn. Exact to microseconds, but the loop spins and takes a whole processor.
 * 'millisecond': a timer of 1 ms, which leaves the loop to sleep; up to that 1 ms is counted too much.
 *
 * perf_hooks' monitorEventLoopDelay measures like the second, but cannot tell a loop that is held from one that
 * does not get a processor, and on a busy machine most of the delay is that.
 */
export async function watchLoop(
  each: 'turn' | 'millisecond',
  work: () => Promise<unknown>,
): Promise<LoopDelay> {
  const file = openSync('/proc/self/schedstat', 'r') // the main thread's
  let longest: LoopDelay = { delay: 0, withoutCpu: 0 }
  let last = performance.now()
  let waited = waitedForCpu(file)
  let over = false

  const look = () => {
    const now = performance.now()
    const waitedNow = waitedForCpu(file)
    if (now - last > longest.delay) longest = { delay: now - last, withoutCpu: waitedNow - waited }
    last = now
    waited = waitedNow
    if (!over) again()
  }
  const again = () => (each === 'turn' ? setImmediate(look) : setTimeout(look, 1))

  again()
  try {
    await work()
  } finally {
    over = true
    await new Promise(resolve => setTimeout(resolve, 2)) // the turn in which the work ended counts too
    closeSync(file)
  }
  return longest
}

const text = new Uint8Array(64)
const decoder = new TextDecoder()

/** "run-ns wait-ns slices": Documentation/scheduler/sched-stats.rst. */
function waitedForCpu(file: number): number {
  const length = readSync(file, text, 0, text.length, 0)
  return Number(decoder.decode(text.subarray(0, length)).split(' ')[1]) / 1e6
}
