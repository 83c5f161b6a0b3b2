import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'

/** Waits for what happens elsewhere meanwhile. */
export async function until(condition: () => boolean): Promise<void> {
  const start = performance.now()
  while (!condition()) {
    assert.ok(performance.now() - start < 120_000, 'it does not happen')
    await sleep(2)
  }
}
