/** One thread of PinnedThreads: says which one it is, then does what it is told, one task after the other. */
import { readlinkSync } from 'node:fs'
import { basename } from 'node:path'
import { parentPort } from 'node:worker_threads'
import { ask, runLiveFrames, runSync, SyncKernel } from '../../src/codec.ts'
import type { Sent } from './generator.ts'
import type { Outcome, Task } from './pinned-threads.ts'

const kernel = new SyncKernel()

function send(task: Task): Sent {
  const { netns, frame, count } = task
  if (task.by === 'live frames') {
    const { program } = task
    const nsPerFrame = runSync(runLiveFrames({ program, frame, count, netns }), kernel)
    // The kernel rounds it down.
    return { sent: count, nanoseconds: count * (nsPerFrame + 0.5) }
  }
  const { ifindex } = task
  const begun = process.hrtime.bigint()
  const sent = runSync(ask<'frames'>({ kind: 'frames', netns, ifindex, frame, count }), kernel)
  return { sent, nanoseconds: Number(process.hrtime.bigint() - begun) }
}

parentPort!.on('message', (task: Task) => {
  let outcome: Outcome
  try {
    outcome = send(task)
  } catch (error) {
    const { message, code } = error as Error & { code?: unknown }
    outcome = { error: message, interrupted: code === 'EINTR' }
  }
  parentPort!.postMessage(outcome)
})
// A synchronous call of Node runs on the thread that makes it.
parentPort!.postMessage(basename(readlinkSync('/proc/thread-self')))
