import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { meanOf } from './program.ts'
import { progressOf } from './progress.ts'
import { urlOf } from './published.ts'
import type { Scene } from './scene.ts'
import { type Spread, spread } from './spread.ts'
import { buildC, workshop } from './workshop.ts'

/** Nanoseconds of `node SCRIPT`, from the process's beginning to its end, and of the import in the script alone. */
export interface ColdStart {
  readonly empty: Spread
  /** Scripts that import one form of the package and ask for one link. */
  readonly sync: Spread
  readonly promises: Spread
  readonly importSync: Spread
  readonly importPromises: Spread
}

/** A script that does nothing, and ones that ask for one link, in turn. */
export async function coldStart(scene: Scene, rounds: number): Promise<ColdStart> {
  const script = (name: string, text: string) => {
    const file = join(workshop(), name)
    writeFileSync(file, text)
    return file
  }
  const asks = (module: string, wait: string) =>
    `import { device } from '${urlOf(module)}'\n${wait}device('lo').getLink()\n`
  const imports = (module: string) =>
    `const begun = performance.now()\nawait import('${urlOf(module)}')\n` +
    'console.log(Math.round((performance.now() - begun) * 1e6))\n'
  const whole = buildC('whole-process')
  const scripts = {
    empty: [whole, '0', '1', process.execPath, script('empty.js', '')],
    sync: [whole, '0', '1', process.execPath, script('sync.js', asks('sync.js', ''))],
    promises: [whole, '0', '1', process.execPath, script('promises.js', asks('index.js', 'await '))],
    importSync: [process.execPath, script('import-sync.js', imports('sync.js'))],
    importPromises: [process.execPath, script('import-promises.js', imports('index.js'))],
  }
  const names = Object.keys(scripts) as (keyof ColdStart)[]
  const values = new Map(names.map(name => [name, [] as number[]]))
  const progress = progressOf('cold starts', rounds)
  for (let round = -1; round < rounds; round++) {
    for (const name of names) {
      const value = await meanOf(scripts[name], scene, { NODE_OPTIONS: '' })
      if (round >= 0) values.get(name)!.push(value)
    }
    progress(round + 1)
  }
  return Object.fromEntries(names.map(name => [name, spread(values.get(name)!)])) as unknown as ColdStart
}
