import { execFile } from 'node:child_process'
import { extname } from 'node:path'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import type { Netns } from '../../src/index.ts'
import type { Sent } from './generator.ts'

/** What one CPU is to send. Descriptors are the process's, so a thread has them too. */
export type Task = {
  readonly netns: Netns
  readonly frame: Uint8Array
  readonly count: number
} & (
  | {
      readonly by: 'live frames' /** The descriptor of what runs for each frame. */
      readonly program: number
    }
  | { readonly by: 'AF_PACKET'; readonly ifindex: number }
)

/** What a thread answers. */
export type Outcome = Sent | { readonly error: string; readonly interrupted: boolean }

/**
 * A signal came while frames were sent, and nobody knows how many: all is to be done again. It is mostly that tsx's
 * compiler, a child of the thread, has ended, since the thread was too busy to answer it.
 */
export class InterruptedError extends Error {}

const EXTENSION = extname(import.meta.filename)
const FILE = new URL(`./pinned-thread${EXTENSION}`, import.meta.url).href
/** Node 20 does not hand tsx on to threads. */
const START = `import(require('node:worker_threads').workerData.tsx)
  .then(({ register }) => register?.()).then(() => import('${FILE}'))`
const TSX = import.meta.resolve(EXTENSION === '.ts' ? 'tsx/esm/api' : 'node:path')

/**
 * A thread for each CPU that is asked for, bound to it. Live frames run on the CPU of the thread that asks for them, and
 * so does all that follows from them in the kernel.
 */
export class PinnedThreads {
  readonly #threads = new Map<number, Promise<Worker>>()

  /** Lets each CPU do its task; until all have ended. @throws Error with the kernel's words, InterruptedError. */
  async run(tasks: ReadonlyMap<number, Task>): Promise<Sent[]> {
    const all = await Promise.allSettled([...tasks].map(([cpu, task]) => this.#run(cpu, task)))
    return all.map(one => {
      if (one.status === 'rejected') throw one.reason
      return one.value
    })
  }

  async #run(cpu: number, task: Task): Promise<Sent> {
    const started = this.#threads.get(cpu) ?? start(cpu)
    this.#threads.set(cpu, started)
    const thread = await started
    thread.postMessage(task)
    const outcome = await next<Outcome>(thread)
    if (!('error' in outcome)) return outcome
    throw new (outcome.interrupted ? InterruptedError : Error)(`CPU ${cpu}: ${outcome.error}`)
  }

  async close(): Promise<void> {
    for (const thread of this.#threads.values()) await (await thread).terminate()
    this.#threads.clear()
  }
}

/** Does it again as often as a signal comes in between, but not for ever. */
export async function uninterrupted<T>(work: () => Promise<T>): Promise<T> {
  for (let left = 5; ; left--) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof InterruptedError) || left === 0) throw error
    }
  }
}

/** By taskset, of util-linux or busybox: Node has no sched_setaffinity(2). */
async function start(cpu: number): Promise<Worker> {
  const thread = new Worker(START, { eval: true, workerData: { tsx: TSX } })
  const id = await next<string>(thread)
  await promisify(execFile)('taskset', ['-p', (1n << BigInt(cpu)).toString(16), id])
  return thread
}

/** The thread's next message. */
function next<T>(thread: Worker): Promise<T> {
  return new Promise((resolve, reject) => {
    const ended = () => reject(new Error('a thread that sends has ended'))
    thread.once('exit', ended)
    thread.once('error', reject)
    thread.once('message', message => {
      thread.off('exit', ended)
      thread.off('error', reject)
      resolve(message)
    })
  })
}
