import { spawnSync } from 'node:child_process'
import { mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { getLink, listLinks } from '../src/rtnetlink/link-operations.ts'
import type { NetnsHandle } from '../src/sync.ts'
import type { Ask, Operation } from '../src/wire/operation.ts'
import { type Contestant, WARM_UP_GETS } from './contestant.ts'

const SOURCE = fileURLToPath(new URL('drain.c', import.meta.url))
const FLAGS = ['-O2', '-Wall', '-Wextra', '-Werror']

/** The physical limit: drain.c with the library's own request bytes. */
export function rawC(netns: NetnsHandle, name: string): Contestant {
  const program = buildDrain()
  const oneLink = requestOf(getLink({ netns, device: name }))
  const allLinks = requestOf(listLinks(netns))
  return {
    name: 'raw C, not decoded',
    getLink: async count => mean(drain(program, netns, oneLink, count, WARM_UP_GETS)),
    listLinks: async () => mean(drain(program, netns, allLinks, 1, 1)),
  }
}

/** What an operation asks first is its request: so both sides send the same bytes, whatever the library becomes. */
function requestOf(operation: Operation<unknown>): string {
  const { value: first } = operation.next() as IteratorYieldResult<Ask>
  if (first.kind !== 'netlink') throw new Error(`the operation begins with '${first.kind}'`)
  return Buffer.from(first.bytes).toString('hex')
}

/** Nanoseconds of each repeat. The program and the namespace reach the child as its descriptors 4 and 3. */
function drain(
  program: number,
  netns: NetnsHandle,
  request: string,
  repeats: number,
  warmUp: number,
): number[] {
  const { status, error, stdout } = spawnSync(
    '/proc/self/fd/4',
    ['/proc/self/fd/3', `${repeats}`, `${warmUp}`, request],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit', netns.fd, program], maxBuffer: 1 << 26 },
  )
  if (status !== 0) throw new Error('bench/drain.c failed', { cause: error })
  return stdout.trim().split('\n').map(Number)
}

/** A descriptor of the program. Its file is gone as soon as it is built: nothing is left, however this ends. */
function buildDrain(): number {
  const folder = mkdtempSync(join(tmpdir(), 'veth-nl-bench-'))
  try {
    const program = join(folder, 'drain')
    const compilers = process.env.CC ? [process.env.CC] : ['clang', 'cc']
    if (!compilers.some(compiler => compiles(compiler, program))) {
      throw new Error(`bench/drain.c does not compile: tried ${compilers.join(' and ')} (CC names another)`)
    }
    return openSync(program, 'r')
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function compiles(compiler: string, output: string): boolean {
  const stdio = ['ignore', 'inherit', 'inherit'] as const
  return spawnSync(compiler, [...FLAGS, '-o', output, SOURCE], { stdio: [...stdio] }).status === 0
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
