import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { compiled } from '../tools/compiler.ts'

/** A process that does nothing, in a network namespace of its own, until the test ends. */
export async function processInNetns(t: TestContext): Promise<number> {
  return (await start(t, 'unshare', '--net', 'sh', '-c', WAIT)).pid!
}

/** The same, and what has it go on into another one. */
export async function wandererInNetns(t: TestContext): Promise<{ pid: number; goOn(): Promise<void> }> {
  const child = await start(t, 'unshare', '--net', 'sh', '-c', `${WAIT}; exec unshare --net sh -c '${WAIT}'`)
  const goOn = async () => {
    child.stdin!.write('\n')
    await once(child.stdout!, 'data')
  }
  return { pid: child.pid!, goOn }
}

/**
 * The path of a network namespace that only a descriptor of another process holds: that process itself is where
 * we are, so that neither a name nor a process leads there.
 */
export async function netnsHeldElsewhere(t: TestContext): Promise<string> {
  const ours = `/proc/${process.pid}/ns/net`
  const leave = `exec 9</proc/self/ns/net; exec nsenter --net=${ours} sh -c '${WAIT}'`
  const { pid } = await start(t, 'unshare', '--net', 'sh', '-c', leave)
  return `/proc/${pid}/fd/9`
}

/** The path of a network namespace that one thread of a process is in, and not its main thread. */
export async function threadInNetns(t: TestContext): Promise<string> {
  const program = compiled(t, join(import.meta.dirname, 'thread-in-netns.c'), '-pthread')
  const child = spawn(program, { stdio: ['pipe', 'pipe', 'inherit'] })
  t.after(() => child.stdin.end())
  const [tid] = await once(child.stdout, 'data')
  return `/proc/${child.pid}/task/${String(tid).trim()}/ns/net`
}

/** Says so when it is there, and ends when the test's process does. */
const WAIT = 'echo ready; read line'

async function start(t: TestContext, command: string, ...words: string[]): Promise<ChildProcess> {
  const child = spawn(command, words, { stdio: ['pipe', 'pipe', 'inherit'] })
  t.after(async () => {
    child.stdin.end()
    if (child.exitCode === null) await once(child, 'exit')
  })
  await once(child.stdout, 'data')
  return child
}
