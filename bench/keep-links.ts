/**
 * A process of its own that keeps all links of a namespace, which it gets as descriptor 3: `keep-links.ts LINKS`, with
 * --expose-gc. It prints how many bytes of the heap each takes. The first list, which goes again, has loaded everything.
 */
import { listLinks } from '../src/sync.ts'

const netns = { fd: 3 }
const wanted = Number(process.argv[2])
const collect = (globalThis as unknown as { gc(): void }).gc

function used(): number {
  collect()
  collect() // what the first has made unreachable
  return process.memoryUsage().heapUsed
}

for (let i = 0; i < 3; i++) listLinks({ netns })
const before = used()
const kept = listLinks({ netns })
const after = used()
if (kept.length !== wanted) throw new Error(`${kept.length} links, where ${wanted} were made`)
process.stdout.write(`${(after - before) / kept.length}\n`)
