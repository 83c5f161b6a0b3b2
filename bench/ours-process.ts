import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { KeptBytes, StartCommands } from './contestant.ts'
import { meanOf } from './program.ts'
import { urlOf } from './published.ts'
import type { Scene } from './scene.ts'
import { workshop } from './workshop.ts'

const KEEPER = fileURLToPath(new URL('keep-links.ts', import.meta.url))

/** Scripts that import one form of the package: 'sync.js', or 'index.js' with `wait` before the question. */
export function ourStart(module: string, wait = ''): StartCommands {
  const script = (name: string, text: string) => {
    const file = join(workshop(), name)
    writeFileSync(file, text)
    return [process.execPath, file]
  }
  const url = urlOf(module)
  const imports = [
    'const begun = performance.now()',
    `await import('${url}')`,
    'console.log(Math.round((performance.now() - begun) * 1e6))\n',
  ]
  return {
    runtime: 'Node',
    asks: script(`asks-${module}`, `import { device } from '${url}'\n${wait}device('lo').getLink()\n`),
    imports: script(`imports-${module}`, imports.join('\n')),
  }
}

/** What the links of the synchronous form take. */
export async function ourKeeping(scene: Scene): Promise<KeptBytes> {
  const bytes = (what: string) => {
    const words = ['--expose-gc', ...process.execArgv, KEEPER, urlOf('sync.js'), what]
    return meanOf([process.execPath, ...words, scene.name, `${scene.links}`], scene)
  }
  return { resident: await bytes('resident'), heap: await bytes('heap') }
}
