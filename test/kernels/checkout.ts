import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { output } from './tools.ts'

/** Tests that ask no kernel anything: of bytes, of the tests' own tools, of this runner, of the kernel's headers. */
const PURE_FOLDERS = ['wire', 'tools', 'kernels']
const PURE_FILES = ['numbers.test.ts']
/** Of the benchmark's tests only these: the others are of numbers, files, words and processes. */
const BENCH_FILES = ['first-look', 'measure', 'nics', 'pktgen', 'run'].map(name => `${name}.test.ts`)

/** The tests that a kernel can decide, relative to the checkout, whose name contains one of `parts` (any, where none). */
export function kernelTests(checkout: string, parts: readonly string[]): string[] {
  return readdirSync(join(checkout, 'test'), { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('.test.ts') && file.includes('/'))
    .filter(file => !PURE_FOLDERS.includes(dirname(file)) && !PURE_FILES.includes(basename(file)))
    .filter(file => dirname(file) !== 'bench' || BENCH_FILES.includes(basename(file)))
    .map(file => `test/${file}`)
    .filter(file => parts.length === 0 || parts.some(part => file.includes(part)))
    .sort()
}

/** Whether a folder can be compiled and laid over. */
export function isCheckout(folder: string): boolean {
  return existsSync(join(folder, 'tsconfig.json')) && existsSync(join(folder, 'node_modules/typescript'))
}

/**
 * Compiles a checkout into another folder, without checking types. Emulated, tsx takes six seconds for each test file,
 * and Node by itself one.
 */
export function compile(checkout: string, into: string): void {
  mkdirSync(into, { recursive: true })
  const options = ['--noEmit', 'false', '--noCheck', '--rootDir', checkout, '--outDir', into]
  output(join(checkout, 'node_modules/.bin/tsc'), ['-p', join(checkout, 'tsconfig.json'), ...options])
  writeFileSync(join(into, 'package.json'), '{ "type": "module" }')
}

/** Which test files can be bundled: the benchmark's modules look for others beside themselves. */
const BUNDLED = /^test\/(?!bench\/)/

/**
 * Replaces test files that were compiled by ones that have all they import in them: to load a hundred modules takes an
 * emulated Node two seconds, each time it starts. By esbuild, which tsx brings.
 */
export function bundle(checkout: string, files: readonly string[], into: string): void {
  const entries = files.filter(file => BUNDLED.test(file)).map(file => join(checkout, file))
  const options = ['--bundle', '--format=esm', '--platform=node', '--sourcemap', '--log-level=warning']
  const places = [`--outbase=${checkout}`, `--outdir=${into}`, '--allow-overwrite']
  output(join(checkout, 'node_modules/.bin/esbuild'), [...entries, ...options, ...places])
}

/** Lines for a machine's script: lays what was compiled over the checkout, so that foo.js appears beside foo.ts. */
export function layOver(checkout: string, compiled: string): string {
  return `mkdir -p /run/over/upper /run/over/work
mount -t overlay -o lowerdir='${checkout}:${compiled}',upperdir=/run/over/upper,workdir=/run/over/work overlay '${checkout}'
`
}
