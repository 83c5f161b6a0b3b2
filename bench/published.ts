import { spawnSync } from 'node:child_process'
import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { workshop } from './workshop.ts'

/**
 * The library as it is published, built anew beside dist/: what tsx makes of the sources gives every function its name
 * when it is made, which users' programs do not.
 */
const FOLDER = build()

export const sync: typeof import('../src/sync.ts') = await import(urlOf('sync.js'))
export const promises: typeof import('../src/index.ts') = await import(urlOf('index.js'))

/** For scripts: 'sync.js' or 'index.js'. */
export function urlOf(module: string): string {
  return pathToFileURL(join(FOLDER, 'dist', module)).href
}

function build(): string {
  const root = fileURLToPath(new URL('..', import.meta.url))
  const folder = workshop()
  const bundle = ['run', '--silent', 'bundle', '--', `--outdir=${join(folder, 'dist')}`]
  if (spawnSync('npm', bundle, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] }).status !== 0) {
    throw new Error('the package cannot be built')
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n')
  symlinkSync(join(root, 'prebuilds'), join(folder, 'prebuilds'))
  return folder
}
