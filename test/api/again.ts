import { execFile, spawnSync } from 'node:child_process'
import { type TestContext, test } from 'node:test'
import { needsRoot } from '../tools/netns.ts'
import { LOADER } from '../tools/this-run.ts'

const INSIDE = 'VETH_NL_TEST_INSIDE'

/** A command line, to which that of the test is appended. */
export type Around = readonly string[]

type Body = (t: TestContext) => void | Promise<void>

/**
 * A test whose body runs in a process of its own: the test's file again, this test only, started by the command
 * that `around` makes. So a test can have what belongs to a process: a mount namespace, a user id.
 */
export function testAgain(
  name: string,
  skip: string | false,
  around: (t: TestContext) => Around | Promise<Around>,
  body: Body,
): void {
  if (process.env[INSIDE] === '1') test(name, body)
  else test(name, { skip }, async t => runAgain(await around(t), name))
}

/** Its own mount namespace: what it names under /run/netns, or mounts, nobody else sees, and it ends with it. */
export function testInPrivateMounts(name: string, body: Body): void {
  testAgain(name, needsRoot, () => PRIVATE_MOUNTS, body)
}

/** Besides, its own processes and its own network namespace: all that can be found on the machine is the test's. */
export function testInPrivate(name: string, body: Body): void {
  testAgain(name, needsRoot, () => PRIVATE, body)
}

/** As a user without any privilege; as this user where that is one. */
export function testUnprivileged(name: string, body: Body): void {
  if (needsRoot) test(name, body)
  else testAgain(name, needsSetpriv(), () => asNobody(), body)
}

const NOBODY = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'] as const

/**
 * A user without privilege but the capabilities given. Where this checkout lies in somebody's closed home, it may
 * also read whatever file there is, which says nothing of networks.
 */
export function asNobody(...capabilities: string[]): Around {
  const all = [...capabilities, ...(isReadable() ? [] : ['+dac_read_search'])].join(',')
  return all === '' ? NOBODY : [...NOBODY, '--inh-caps', all, '--ambient-caps', all]
}

function isReadable(): boolean {
  return spawnSync(NOBODY[0], [...NOBODY.slice(1), 'test', '-r', process.argv[1]!]).status === 0
}

/** /run is a fresh tmpfs there, for /run/netns may not exist and must not be made. */
const FRESH_RUN: Around = ['sh', '-c', 'mount -t tmpfs none /run && mkdir /run/netns && exec "$@"', 'sh']
const PRIVATE_MOUNTS: Around = ['unshare', '--mount', '--propagation', 'private', ...FRESH_RUN]
/** What is killed ends there with all that it has started. */
export const PRIVATE: Around = [
  'unshare',
  ...['--mount', '--propagation', 'private', '--net', '--pid', '--fork', '--kill-child', '--mount-proc'],
  ...FRESH_RUN,
]

/** Why a test cannot run as somebody with these capabilities here, or false. */
export function needsSetpriv(...capabilities: string[]): string | false {
  const [command = '', ...words] = asNobody(...capabilities)
  if (spawnSync(command, [...words, 'true']).status === 0 || process.env.CI) return false
  return `needs setpriv${capabilities.length === 0 ? '' : ` with ${capabilities.join(' ')}`}`
}

/** What the report says of tests that are not run. */
const OTHERS = /^# Subtest.*\nok .* # SKIP test name does not match pattern\n {2}---\n.*\n {2}\.\.\.\n/gm

function runAgain(around: Around, name: string): Promise<void> {
  const pattern = `^${name.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')}$`
  const node = [process.execPath, ...LOADER, '--test-reporter=tap', `--test-name-pattern=${pattern}`]
  const [command = '', ...words] = [...around, ...node, process.argv[1]!]
  const env: NodeJS.ProcessEnv = { ...process.env, [INSIDE]: '1', HOME: '/nonexistent' }
  delete env.NODE_TEST_CONTEXT
  return new Promise((resolve, reject) => {
    execFile(command, words, { env }, (error, stdout, stderr) => {
      if (error === null && /^# pass 1$/m.test(stdout)) resolve()
      else reject(new Error(`${stdout.replace(OTHERS, '')}\n${stderr}`, { cause: error }))
    })
  })
}
