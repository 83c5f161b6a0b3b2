import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type Around, testAgain } from '../api/again.ts'
import { needsRoot } from './netns.ts'

const TRACEFS = '/sys/kernel/tracing'
/** tracefs is mounted where the kernel has its place, if need be in a mount namespace that only the command sees. */
const WITH_TRACEFS: Around = [
  'unshare',
  '--mount',
  '--propagation',
  'private',
  'sh',
  '-c',
  `{ test -d ${TRACEFS}/events || mount -t tracefs none ${TRACEFS}; } && exec "$@"`,
  'sh',
]

/** For a test's `skip`: why the kernel's own trace of XDP cannot be seen here, or false. */
export const needsTracefs: string | false =
  needsRoot || (seesEvents() ? false : 'needs tracefs with events of xdp')

function seesEvents(): boolean {
  const [command = '', ...words] = WITH_TRACEFS
  return (
    spawnSync(command, [...words, 'test', '-e', `${TRACEFS}/events/xdp/xdp_redirect_err/format`]).status === 0
  )
}

/** A test whose body runs in a process that has tracefs. */
export function testWithTracefs(name: string, body: (t: TestContext) => void | Promise<void>): void {
  testAgain(name, needsTracefs, () => WITH_TRACEFS, body)
}

const PREFIX = 'veth-nl-test-'

/** The events, and by which field each tells the device that frames come from. */
const EVENTS: Readonly<Record<string, string | null>> = {
  xdp_redirect_err: 'ifindex',
  xdp_devmap_xmit: 'from_ifindex',
  xdp_bulk_tx: 'ifindex',
  xdp_exception: 'ifindex',
  xdp_cpumap_enqueue: null,
  xdp_cpumap_kthread: null,
}

/**
 * A trace buffer of the kernel's for the test alone, in which it writes how redirects from one device end: others'
 * frames would soon fill it.
 */
export class TraceBuffer {
  readonly #folder: string

  constructor(t: TestContext, from: number) {
    const instances = join(TRACEFS, 'instances')
    for (const name of readdirSync(instances)) if (isLeftBehind(name)) rmdirSync(join(instances, name))
    this.#folder = join(instances, `${PREFIX}${process.pid}`)
    mkdirSync(this.#folder)
    t.after(() => this.remove())
    for (const [event, field] of Object.entries(EVENTS)) {
      if (field !== null) this.#write(`events/xdp/${event}/filter`, `${field} == ${from}`)
      this.#write(`events/xdp/${event}/enable`, '1')
    }
  }

  /** What it holds of one kind: the fields of each event, as the kernel prints them. */
  events(tracepoint: string): Record<string, string>[] {
    const lines = readFileSync(join(this.#folder, 'trace'), 'utf8').split('\n')
    return lines
      .filter(line => line.includes(` ${tracepoint}: `))
      .map(line =>
        Object.fromEntries([...line.matchAll(/(\w+)=(\S+)/g)].map(([, name, value]) => [name!, value!])),
      )
  }

  /** A second time does nothing. */
  remove(): void {
    if (!existsSync(this.#folder)) return
    this.#write('events/xdp/enable', '0')
    rmdirSync(this.#folder)
  }

  #write(file: string, text: string): void {
    writeFileSync(join(this.#folder, file), text)
  }
}

/** Of a test that was killed. */
function isLeftBehind(name: string): boolean {
  return name.startsWith(PREFIX) && !existsSync(`/proc/${name.slice(PREFIX.length)}`)
}
