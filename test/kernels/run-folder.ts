import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** What is kept between runs: packages, kernels and their initial file systems. */
export const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'veth-nl/kernels')

const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
const NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 }

/**
 * A folder for this run, which goes when the process does; what a killed one left goes now. With `keep` it stays
 * until the next run. A machine that runs dies with the process, see vm.ts.
 */
export function runFolder(keep: boolean, say: (line: string) => void): string {
  mkdirSync(CACHE, { recursive: true })
  for (const name of readdirSync(CACHE)) {
    const [, pid] = /^(?:run|boot|deb)-(\d+)$/.exec(name) ?? []
    if (pid !== undefined && !isAlive(Number(pid)))
      rmSync(join(CACHE, name), { recursive: true, force: true })
  }
  const folder = join(CACHE, `run-${process.pid}`)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  process.once('exit', () => {
    if (keep) say(`logs are in ${folder}, until the next run`)
    else rmSync(folder, { recursive: true, force: true })
  })
  for (const signal of ENDING) process.once(signal, () => process.exit(128 + NUMBERS[signal]))
  endWithParent()
  return folder
}

/** npm and its shell stand between the user and this process; who kills one of them means this one too. */
function endWithParent(): void {
  const parent = process.ppid
  setInterval(() => {
    if (process.ppid !== parent) process.exit(1)
  }, 500).unref()
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
