import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

/** A QEMU, and what it needs to find its own files. */
export interface Qemu {
  readonly command: string
  readonly words: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

/** The machine's own. */
export const OWN_QEMU: Qemu = { command: 'qemu-system-x86_64', words: [], env: {} }

/** One whose packages were unpacked into a folder. */
export function unpackedQemu(folder: string): Qemu {
  const inside = (path: string) => join(folder, 'usr', path)
  return {
    command: inside('bin/qemu-system-x86_64'),
    words: ['share/qemu', 'share/seabios'].flatMap(path => ['-L', inside(path)]),
    env: { QEMU_MODULE_DIR: inside('lib/x86_64-linux-gnu/qemu') },
  }
}

/** From which on there is igb. */
export const OLDEST = [8, 0] as const

/** Whether its version is at least that; it prints 'QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)'. */
export function isNewEnough({ command, words, env }: Qemu): boolean {
  const asked = [...words, '--version']
  const { stdout } = spawnSync(command, asked, { encoding: 'utf8', env: { ...process.env, ...env } })
  const version = /version (\d+)\.(\d+)/.exec(stdout ?? '')
  if (version === null) return false
  const [major, minor] = [Number(version[1]), Number(version[2])]
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])
}
