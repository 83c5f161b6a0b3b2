import type { Contestant } from './contestant.ts'
import { progressOf } from './progress.ts'
import type { Scene } from './scene.ts'
import { type Spread, spread } from './spread.ts'

/** Bytes that a link keeps, every field decoded: of all links of a scene, each time in a process of its own. */
export interface Memory {
  readonly links: number
  readonly rows: readonly Keeping[]
}

export interface Keeping {
  readonly name: string
  /** What the process's resident memory grows by, after garbage is collected and given back. */
  readonly resident: Spread
  /** Of a heap that has nothing else: V8's, of ours. */
  readonly heap: Spread | null
}

export async function memoryPerLink(
  scene: Scene,
  contestants: readonly Contestant[],
  times: number,
): Promise<Memory> {
  const keepers = contestants.flatMap(({ name, keep }) => (keep ? [{ name, keep }] : []))
  const taken = keepers.map(one => ({ ...one, resident: [] as number[], heap: [] as number[] }))
  const progress = progressOf('rounds of memory', times)
  for (let time = 0; time < times; time++) {
    for (const { keep, resident, heap } of taken) {
      const bytes = await keep(scene)
      resident.push(bytes.resident)
      if (bytes.heap !== undefined) heap.push(bytes.heap)
    }
    progress(time + 1)
  }
  const rows = taken.map(({ name, resident, heap }) => ({
    name,
    resident: spread(resident),
    heap: heap.length > 0 ? spread(heap) : null,
  }))
  return { links: scene.links, rows }
}
