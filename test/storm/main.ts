/**
 * A watch against changes in bursts, while its consumer sleeps: `npm run test:storm -- [--seeds N] [--seed N] [--changes N]
 * [--pairs N]`, as root. Each seed three times: with room for all messages, with so little that the kernel loses some, and
 * with veth pairs between namespaces that come and go. Exit status 1 when a table is not what the kernel says in the end.
 */

import { spawnSync } from 'node:child_process'
import { execPath } from 'node:process'
import { parseArgs } from 'node:util'
import { PRIVATE } from '../api/again.ts'
import { type Outcome, SMALL, storm, stormOfPairs } from './storm.ts'

const NAMESPACES = 50
const INSIDE = 'VETH_NL_STORM_INSIDE'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '20' },
    seed: { type: 'string' },
    changes: { type: 'string', default: '100000' },
    pairs: { type: 'string', default: '1000' },
  },
})
const count = wholeNumber('seeds', values.seeds)
const changes = wholeNumber('changes', values.changes)
const pairs = wholeNumber('pairs', values.pairs)
const first = wholeNumber('seed', values.seed ?? String(Math.floor(Math.random() * 2 ** 32)))

if (process.env[INSIDE] === '1') {
  for (let seed = first; seed < first + count; seed++) await one(seed)
} else {
  // All namespaces of the machine are watched: they are to be this program's.
  const [command = '', ...words] = [...PRIVATE, execPath, ...process.execArgv, ...process.argv.slice(1)]
  const options = ['--seed', String(first)]
  const env = { ...process.env, [INSIDE]: '1' }
  process.exitCode = spawnSync(command, [...words, ...options], { stdio: 'inherit', env }).status ?? 1
}

async function one(seed: number): Promise<void> {
  await attempt(seed, `${changes} changes`, () => storm(seed, changes))
  await attempt(seed, `${changes} changes, ${SMALL} bytes`, async () => {
    const outcome = await storm(seed, changes, SMALL)
    if (outcome.losses < 10) throw new Error(`only ${outcome.losses} losses`)
    return outcome
  })
  await attempt(seed, `${pairs} pairs`, () => stormOfPairs(seed, pairs, NAMESPACES))
}

async function attempt(seed: number, what: string, run: () => Promise<Outcome>): Promise<void> {
  const begun = performance.now()
  try {
    const { events, losses, links } = await run()
    const seconds = ((performance.now() - begun) / 1000).toFixed(0)
    const told = `${events} events, ${losses} losses, ${seconds} s`
    process.stdout.write(`seed ${seed}, ${what}: ${told}; ${links} links as the kernel has them\n`)
  } catch (error) {
    process.stdout.write(`seed ${seed}, ${what}: FAILED: ${(error as Error).message}\n`)
    process.exitCode = 1
  }
}

function wholeNumber(option: string, text: string): number {
  if (/^\d{1,10}$/.test(text)) return Number(text)
  process.stderr.write(`test:storm: --${option} takes a number, not '${text}'\n`)
  process.exit(2)
}
