import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Scene } from './scene.ts'

const KEEPER = fileURLToPath(new URL('keep-links.ts', import.meta.url))

/** Bytes of the heap that one link keeps, every field decoded: of all links of the scene, in a process of its own. */
export function memoryPerLink({ netns, links }: Scene): number {
  const { status, stdout } = spawnSync(
    process.execPath,
    ['--expose-gc', ...process.execArgv, KEEPER, `${links}`],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit', netns.fd!] },
  )
  if (status !== 0) throw new Error(`${KEEPER} failed`)
  return Number(stdout)
}
