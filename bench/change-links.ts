/**
 * A process of its own that changes the MTUs of links, one after the other: `change-links.ts CHANGES FIRST LINKS PAUSE`, of so
 * many links from an index on, with a pause between two changes in milliseconds. It begins when it is told to, and prints when
 * each change began, in nanoseconds of CLOCK_MONOTONIC.
 */
import { readSync } from 'node:fs'
import { device } from '../src/sync.ts'

const [changes = 0, first = 0, links = 0, pause = 0] = process.argv.slice(2).map(Number)
const ends = Array.from({ length: links }, (_, i) => device(first + i))
const clock = new Int32Array(new SharedArrayBuffer(4))

for (const end of ends) end.getLink() // everything loaded
process.stdout.write('ready\n')
// Nothing to read: whoever started this is gone.
if (readSync(0, new Uint8Array(16)) > 0) {
  const begun: string[] = []
  for (let i = 0; i < changes; i++) {
    if (pause > 0) Atomics.wait(clock, 0, 0, pause * (0.5 + Math.random()))
    begun.push(String(process.hrtime.bigint()))
    ends[i % links]!.setMtu(1000 + (Math.floor(i / links) % 400))
  }
  process.stdout.write(`${begun.join('\n')}\n`)
}
