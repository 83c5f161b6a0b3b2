/**
 * Builds bpf/sock.c into prebuilds/linux-<arch>/sock.node unless that is up to date: `tsx bpf/build.ts [arch …]`, by
 * default for the processor it runs on; others take clang and lld. CC names the compiler.
 */
import { spawnSync } from 'node:child_process'
import { accessSync, constants, mkdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compileCommand, shimFile } from '../src/kernel/shim.ts'

const TARGETS: Record<string, string> = {
  x64: 'x86_64-linux-gnu',
  arm64: 'aarch64-linux-gnu',
  riscv64: 'riscv64-linux-gnu',
  s390x: 's390x-linux-gnu',
}
const PACKAGES = ['clang', 'lld']
const inputs = ['sock.c', 'build.ts'].map(name => fileURLToPath(new URL(name, import.meta.url)))

const wanted = process.argv.length > 2 ? process.argv.slice(2) : [process.arch]
for (const arch of wanted) if (!upToDate(shimFile(arch))) build(arch)

function upToDate(file: string): boolean {
  const built = statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0
  return inputs.every(input => statSync(input).mtimeMs <= built)
}

function build(arch: string): void {
  const file = shimFile(arch)
  const unfinished = `${file}.${process.pid}`
  mkdirSync(dirname(file), { recursive: true })
  const command = compileCommand(`${compiler()}${targetFlags(arch)} -Wall -Wextra -Werror`, unfinished)
  const { status, error } = spawnSync(command[0]!, command.slice(1), {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  if (status !== 0) {
    rmSync(unfinished, { force: true })
    fail(`cannot build ${file}${error ? `: ${error.message}` : ''}. What was run:\n  ${command.join(' ')}`)
  }
  renameSync(unfinished, file)
}

function targetFlags(arch: string): string {
  if (arch === process.arch) return ''
  return ` --target=${TARGETS[arch] ?? fail(`no target for ${arch}`)} -nostdlibinc`
}

function compiler(): string {
  return process.env.CC || findCompiler() || installCompiler()
}

function findCompiler(): string | undefined {
  if (inPath('clang')) return inPath('ld.lld') ? 'clang -fuse-ld=lld' : 'clang'
  return ['cc', 'gcc'].find(inPath)
}

/** Debian's clang depends on binutils, so it links without what it recommends; lld makes the same file everywhere. */
function installCompiler(): string {
  const install = ['apt-get', 'install', '-y', '--no-install-recommends', ...PACKAGES]
  const byHand = compileCommand('cc', shimFile(process.arch)).join(' ')
  if (!inPath('apt-get'))
    fail(
      `no C compiler (clang, cc or gcc; or set CC). Install one, then run this again; it runs\n  ${byHand}`,
    )
  if (process.getuid?.() !== 0) fail(`no C compiler. Run this first:\n  sudo ${install.join(' ')}`)
  process.stderr.write(`veth-nl: no C compiler; running ${install.join(' ')}\n`)
  const log = quietly(install) && quietly(['apt-get', 'update']) + quietly(install)
  return findCompiler() ?? fail(`that did not work:\n${log}`)
}

/** '' when it worked, else all it said. */
function quietly(command: string[]): string {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const { status, stdout, stderr, error } = spawnSync(command[0]!, command.slice(1), {
    env,
    encoding: 'utf8',
  })
  return status === 0 ? '' : `$ ${command.join(' ')}\n${stdout}${stderr}${error?.message ?? ''}`
}

function inPath(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some(folder => {
    try {
      accessSync(join(folder || '.', program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

function fail(message: string): never {
  process.stderr.write(`veth-nl: ${message}\n`)
  process.exit(1)
}
