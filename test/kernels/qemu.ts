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

/** Whether it emulates a device, such as igb: from QEMU 8 on. Its exit status does not tell, what it prints does. */
export function emulates({ command, words, env }: Qemu, device: string): boolean {
  const asked = [...words, '-device', `${device},help`]
  const { stdout } = spawnSync(command, asked, { encoding: 'utf8', env: { ...process.env, ...env } })
  return stdout?.startsWith(`${device} options:`) ?? false
}
