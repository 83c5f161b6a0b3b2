/**
 * A process of its own that keeps all links of a namespace, which it gets as descriptor 3: `keep-links.ts LIBRARY WHAT NAME
 * LINKS`, with --expose-gc. It prints how many bytes each takes, WHAT being
 *
 *   heap      of V8's heap, where lists that go again have loaded everything before
 *   resident  of the process's memory, where one link was asked for before, as in the peers' programs
 */
import { readFileSync } from 'node:fs'

const netns = { fd: 3 }
const [library, what, name] = [process.argv[2]!, process.argv[3]!, process.argv[4]!]
const wanted = Number(process.argv[5])
const { device, listLinks }: typeof import('../src/sync.ts') = await import(library)
const collect = (globalThis as unknown as { gc(): void }).gc

const MEASURES: Record<string, () => number> = {
  heap: () => process.memoryUsage().heapUsed,
  resident: () =>
    1024 * Number(/^Rss: +(\d+) kB$/m.exec(readFileSync('/proc/self/smaps_rollup', 'utf8'))![1]),
}

function used(): number {
  collect()
  collect() // what the first has made unreachable
  return MEASURES[what]!()
}

device(name, { netns }).getLink()
if (what === 'heap') for (let i = 0; i < 3; i++) listLinks({ netns })
const before = used()
const kept = listLinks({ netns })
const after = used()
if (kept.length !== wanted) throw new Error(`${kept.length} links, where ${wanted} were made`)
process.stdout.write(`${(after - before) / kept.length}\n`)
