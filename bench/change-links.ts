/**
 * A process of its own that changes the MTUs of links, one after the other: `change-links.ts FIRST LINKS`, of so many links
 * from an index on. For each line `CHANGES PAUSE` that it reads it makes so many, with a pause between two in milliseconds, and
 * prints a line of when each began, in nanoseconds of CLOCK_MONOTONIC.
 */
import { readSync } from 'node:fs'
import { device } from '../src/sync.ts'

const [first = 0, links = 0] = process.argv.slice(2).map(Number)
const ends = Array.from({ length: links }, (_, i) => device(first + i))
const clock = new Int32Array(new SharedArrayBuffer(4))
const line = Buffer.alloc(64)

for (const end of ends) end.getLink() // everything loaded
process.stdout.write('ready\n')
// Nothing to read: whoever started this is gone.
for (let length = readSync(0, line); length > 0; length = readSync(0, line)) {
  const [changes = 0, pause = 0] = line.toString('latin1', 0, length).split(' ').map(Number)
  const begun: bigint[] = []
  for (let i = 0; i < changes; i++) {
    if (pause > 0) Atomics.wait(clock, 0, 0, pause * (0.5 + Math.random()))
    begun.push(process.hrtime.bigint())
    ends[i % links]!.setMtu(1000 + (Math.floor(i / links) % 400))
  }
  process.stdout.write(`${begun.join(' ')}\n`)
}
