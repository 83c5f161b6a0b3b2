import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import type { TestContext } from 'node:test'
import { createNetns, type NetnsHandle } from '../../src/sync.ts'

/** For a test's `skip`: why it cannot run here, or false. */
export const needsRoot: string | false = canMakeNetns() ? false : 'needs root'

/** Root in a container may not. */
function canMakeNetns(): boolean {
  try {
    createNetns().remove()
    return true
  } catch {
    return false
  }
}

/** A network namespace of the test's own, which ends with the test. */
export function ownNetns(t: TestContext): NetnsHandle {
  const netns = createNetns()
  t.after(() => netns.remove())
  return netns
}

/**
 * One whose descriptor has the number of one that was closed. The shim closes idle sockets whenever it likes, so lower numbers
 * may be free as well: they are taken by others.
 */
export function ownNetnsAt(t: TestContext, fd: number): NetnsHandle {
  let netns = ownNetns(t)
  while (netns.fd! < fd) netns = ownNetns(t)
  assert.equal(netns.fd, fd)
  return netns
}

/** A test's body that runs with a network namespace of its own. */
export function inNetns(body: (netns: NetnsHandle, t: TestContext) => void | Promise<void>) {
  return async (t: TestContext): Promise<void> => {
    await body(ownNetns(t), t)
  }
}

/** Runs a command in the namespace and returns what it printed. */
export function execIn(netns: NetnsHandle, command: string, ...args: string[]): string {
  const path = `--net=/proc/${process.pid}/fd/${netns.fd}`
  return execFileSync('nsenter', [path, '--', command, ...args], { encoding: 'utf8', stdio: 'pipe' })
}
