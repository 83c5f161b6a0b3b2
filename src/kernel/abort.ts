/** What is to be done when a signal is aborted, by signal: many waiting questions share one listener. */
const waiting = new WeakMap<AbortSignal, Set<() => void>>()

/** Calls `act` when the signal is aborted, until the returned function is called. */
export function onAbort(signal: AbortSignal | undefined, act: () => void): () => void {
  if (signal === undefined) return () => {}
  const actions = waiting.get(signal) ?? new Set()
  if (actions.size === 0) {
    waiting.set(signal, actions)
    signal.addEventListener('abort', aborted)
  }
  actions.add(act)
  return () => {
    actions.delete(act)
    if (actions.size === 0) signal.removeEventListener('abort', aborted)
  }
}

function aborted(this: AbortSignal): void {
  for (const act of waiting.get(this) ?? []) act()
}
