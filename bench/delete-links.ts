/**
 * A process of its own that deletes the veth pairs of a namespace, which it gets as descriptor 3, one by one:
 * `delete-links.ts PAIRS`. It says when it is ready, and begins when it is told to.
 */
import { readSync } from 'node:fs'
import { device } from '../src/sync.ts'
import { CANARY, endsOf } from './lab.ts'

const netns = { fd: 3 }
const pairs = Number(process.argv[2])

device('lo', { netns }).getLink() // everything loaded
process.stdout.write('ready\n')
// Nothing to read: whoever started this is gone.
if (readSync(0, new Uint8Array(16)) > 0) {
  for (let pair = 0; pair < pairs; pair++) device(endsOf(pair).name, { netns }).delete()
  device(CANARY, { netns }).delete()
}
