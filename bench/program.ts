import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import type { Scene } from './scene.ts'

/**
 * Runs a program in the scene's namespace, which is its descriptor 3; 4 is the other one. It does not outlive this
 * process. It prints the nanoseconds of each repeat on a line of its own. @returns their mean.
 */
export async function meanOf(
  command: readonly string[],
  { netns, other }: Scene,
  env: Record<string, string> = {},
): Promise<number> {
  const inside = ['--net=/proc/self/fd/3', 'setpriv', '--pdeathsig', 'KILL', ...command]
  const child = spawn('nsenter', inside, {
    stdio: ['ignore', 'pipe', 'inherit', netns.fd!, other.fd!],
    env: { ...process.env, ...env },
  })
  const [[status, signal], output] = await Promise.all([once(child, 'close'), text(child.stdout!)])
  if (status !== 0) throw new Error(`${command.join(' ').slice(0, 200)}: ${signal ?? `status ${status}`}`)
  const each = output.trim().split('\n').map(Number)
  return each.reduce((sum, value) => sum + value, 0) / each.length
}
