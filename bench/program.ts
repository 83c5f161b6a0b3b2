import { spawnSync } from 'node:child_process'
import type { Scene } from './scene.ts'

/**
 * Runs a program in the scene's namespace, which is its descriptor 3; 4 is the other one. It does not outlive this
 * process. It prints the nanoseconds of each repeat on a line of its own. @returns their mean.
 */
export function meanOf(
  command: readonly string[],
  { netns, other }: Scene,
  env: Record<string, string> = {},
): number {
  const inside = ['--net=/proc/self/fd/3', 'setpriv', '--pdeathsig', 'KILL', ...command]
  const { status, signal, error, stdout } = spawnSync('nsenter', inside, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit', netns.fd!, other.fd!],
    env: { ...process.env, ...env },
    maxBuffer: 1 << 26,
  })
  if (status !== 0)
    throw new Error(`${command.join(' ').slice(0, 200)}: ${signal ?? status}`, { cause: error })
  const each = stdout.trim().split('\n').map(Number)
  return each.reduce((sum, value) => sum + value, 0) / each.length
}
