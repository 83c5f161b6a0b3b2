import { spawnSync } from 'node:child_process'

/** The programs that the matrix runs, and the Debian package of each. */
const PACKAGES: Readonly<Record<string, string>> = {
  'qemu-system-x86_64': 'qemu-system-x86',
  busybox: 'busybox-static',
  depmod: 'kmod',
  modprobe: 'kmod',
  cpio: 'cpio',
  xz: 'xz-utils',
  zstd: 'zstd',
  'apt-get': 'apt',
  'dpkg-deb': 'dpkg',
  setpriv: 'util-linux',
}

/** Where depmod and modprobe are, which the path of a user without privilege leaves out. */
process.env.PATH = `${process.env.PATH}:/usr/sbin:/sbin`

/** Why virtual machines cannot be run here, and what to do, or null. */
export function whatIsMissing(): string | null {
  if (process.arch !== 'x64') return 'the kernels are for x86-64, and so must this machine be'
  const missing = Object.keys(PACKAGES).filter(name => spawnSync(name, ['--version']).error !== undefined)
  if (missing.length === 0) return null
  const packages = [...new Set(missing.map(name => PACKAGES[name]!))].sort()
  return `${missing.join(', ')} not found: apt-get install --no-install-recommends ${packages.join(' ')}`
}

/** Runs a program and returns what it printed. @throws Error with what it said on stderr. */
export function output(command: string, words: readonly string[], cwd?: string): string {
  const { status, stdout, stderr, error } = spawnSync(command, words, {
    cwd,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  if (status !== 0) throw new Error(`${command}: ${error?.message ?? (stderr.trim() || `status ${status}`)}`)
  return stdout
}
