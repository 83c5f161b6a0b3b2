import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Debian's, which has Debian's packages. */
export const PYTHON = '/usr/bin/python3'

let folder: string | undefined

/**
 * A folder for what is built, which goes away with this process however that ends: a shell waits for the end of a pipe
 * that only this process holds.
 */
export function workshop(): string {
  if (folder !== undefined) return folder
  folder = mkdtempSync(join(tmpdir(), 'veth-nl-bench-'))
  const script = `trap '' HUP INT TERM; read -r _; rm -rf "$0"`
  const keeper = spawn('sh', ['-c', script, folder], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
  keeper.unref()
  ;(keeper.stdin as unknown as { unref(): void }).unref()
  return folder
}

/** The source of a peer's program. */
export function peerSource(file: string): string {
  return fileURLToPath(new URL(`peers/${file}`, import.meta.url))
}

/** Compiles a C program of bench/peers. @returns its path. @throws when no compiler does. */
export function buildC(
  name: string,
  flags: readonly string[] = [],
  libraries: readonly string[] = [],
): string {
  const program = join(workshop(), name)
  const compilers = process.env.CC ? [process.env.CC] : ['clang', 'cc']
  const words = [
    '-O2',
    '-Wall',
    '-Wextra',
    '-Werror',
    ...flags,
    '-o',
    program,
    peerSource(`${name}.c`),
    ...libraries,
  ]
  if (!compilers.some(compiler => succeeds(compiler, words))) {
    throw new Error(
      `bench/peers/${name}.c does not compile: tried ${compilers.join(' and ')} (CC names another)`,
    )
  }
  return program
}

/** Compiles a Go program of bench/peers, with others' files beside it, with the libraries that Debian packages. */
export function buildGo(name: string, ...beside: readonly string[]): string {
  const program = join(workshop(), name)
  const env = { ...process.env, GO111MODULE: 'off', GOPATH: '/usr/share/gocode', GOFLAGS: '' }
  const { HOME, XDG_CACHE_HOME, GOCACHE = '' } = process.env
  if (!HOME && !XDG_CACHE_HOME && GOCACHE === '')
    Object.assign(env, { GOCACHE: join(workshop(), 'go-cache') })
  const sources = [name, ...beside].map(file => peerSource(`${file}.go`))
  if (!succeeds('go', ['build', '-o', program, ...sources], env)) {
    throw new Error(`bench/peers/${name}.go does not compile`)
  }
  return program
}

function succeeds(command: string, words: readonly string[], env = process.env): boolean {
  return spawnSync(command, words, { stdio: ['ignore', 'inherit', 'inherit'], env }).status === 0
}
