import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Device } from '../../src/index.ts'
import { netnsPath } from './netns-path.ts'

/** How long a program may take to begin with its work, and to end. */
const PATIENCE_MS = 20_000

/** A program to be run in a device's namespace. */
export interface Running {
  readonly beside: Device
  readonly command: string
  readonly words: readonly string[]
  readonly isAtWork: () => Promise<boolean>
  /** Milliseconds; 20 seconds when left out. */
  readonly patience?: number
}

/** Starts a program, waits until it is at work, and ends it. @throws Error with what it said. */
export async function whileRunning<T>(
  { beside, command, words, isAtWork, patience = PATIENCE_MS }: Running,
  use: () => Promise<T>,
): Promise<T> {
  const inside = [`--net=${netnsPath(beside.netns)}`, 'setpriv', '--pdeathsig', 'INT', command, ...words]
  const child = spawn('nsenter', inside, {
    stdio: ['ignore', 'ignore', 'pipe'],
    // With a dispatcher it would pin programs in the BPF file system.
    env: { ...process.env, LIBXDP_SKIP_DISPATCHER: '1' },
  })
  let said = ''
  child.stderr.on('data', chunk => {
    said += chunk
  })
  const ended = once(child, 'close')
  try {
    const begun = performance.now()
    while (!(await isAtWork())) {
      if (hasEnded(child)) throw new Error(said.trim() || `it ends with status ${child.exitCode}`)
      if (performance.now() - begun > patience)
        throw new Error(
          `${command} is not at work after ${patience / 1000} s${said === '' ? '' : `: ${said.trim()}`}`,
        )
      await sleep(5)
    }
    return await use()
  } finally {
    child.kill('SIGINT')
    const killer = setTimeout(() => child.kill('SIGKILL'), patience)
    await ended
    clearTimeout(killer)
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}
