/**
 * The longest time, in milliseconds, for which the event loop was held while the work went on: the longest gap
 * between two setImmediate callbacks, which run once per turn. That is exact to microseconds, where
 * monitorEventLoopDelay counts whole milliseconds; but the loop spins, so it is only for a machine at rest.
 */
export async function longestHold(work: () => Promise<unknown>): Promise<number> {
  let longest = 0
  let last = performance.now()
  let next: NodeJS.Immediate
  const turn = () => {
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
    next = setImmediate(turn)
  }
  next = setImmediate(turn)
  try {
    await work()
    await new Promise(resolve => setImmediate(resolve)) // the turn in which the work ended counts too
  } finally {
    clearImmediate(next)
  }
  return longest
}
