import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { TestContext } from 'node:test'

const COMPILER = ['clang', 'cc', 'gcc'].find(name => spawnSync(name, ['--version']).error === undefined)
export const needsCompiler = COMPILER === undefined ? 'needs a C compiler' : false

/** The path of a C program made from this source, which goes with the test. */
export function compiled(t: TestContext, source: string, ...flags: string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'veth-nl-compiled-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const program = join(folder, basename(source, '.c'))
  execFileSync(COMPILER!, [...flags, '-o', program, source])
  return program
}
