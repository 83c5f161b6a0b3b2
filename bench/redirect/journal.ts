import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { type Check, count, flag, listOf, oneOf, record, text } from './check.ts'

/** A setting of one of the machine's devices, as it was before it was changed. */
export interface Entry {
  /** A device of this network namespace, or the peer of one, wherever that is. */
  readonly end: 'device' | 'peer'
  readonly name: string
  /** A device of this name with another index is another one. */
  readonly index: number
  readonly feature: string
  readonly was: boolean
}

/** Gone with a restart of the machine, as the settings are. */
export const JOURNALS = '/run/veth-nl-bench'

interface Content {
  /** When the process began, by which a later one with its number is another. */
  readonly process: string
  /** The network namespace in which names and indexes count: 'net:[4026531840]'. */
  readonly netns: string
  readonly entries: readonly Entry[]
}

const JOURNAL: Check<Content> = record<Content>({
  process: text,
  netns: text,
  entries: listOf(
    record<Entry>({ end: oneOf('device', 'peer'), name: text, index: count, feature: text, was: flag }),
  ),
})

/**
 * What is to be put back, in a file that outlives this process: a change is written there before it is made. It is the
 * process's own, so that several may run.
 */
export class Journal {
  readonly #folder: string
  readonly #file: string
  readonly #entries: Entry[] = []

  constructor(folder = JOURNALS) {
    this.#folder = folder
    this.#file = join(folder, `${process.pid}.json`)
  }

  /** What is noted, the last first. */
  get entries(): readonly Entry[] {
    return this.#entries.toReversed()
  }

  note(entry: Entry): void {
    this.#entries.push(entry)
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
    const file = openSync(this.#file, 'w', 0o600)
    try {
      const content: Content = { process: lifeOf(process.pid), netns: ownNetns(), entries: this.#entries }
      writeSync(file, JSON.stringify(content))
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
  }

  /** Everything has been put back. */
  close(): void {
    this.#entries.length = 0
    remove(this.#folder, this.#file)
  }
}

/** A journal of this network namespace whose process has ended without closing it. */
export interface Leftover {
  /** The last first: the order in which to put things back. */
  readonly entries: readonly Entry[]
  /** When all has been put back. */
  forget(): void
}

/** @throws TypeError where a file is no journal: which field is wrong. */
export function leftovers(folder = JOURNALS): Leftover[] {
  return filesIn(folder).flatMap(name => {
    const file = join(folder, name)
    const { process, netns, entries } = JOURNAL(contentOf(file), file)
    if (lifeOf(Number.parseInt(name, 10)) === process || netns !== ownNetns()) return []
    return [{ entries: entries.toReversed(), forget: () => remove(folder, file) }]
  })
}

/** A process that was killed while it wrote the first line had changed nothing yet. */
function contentOf(file: string): unknown {
  const content = readFileSync(file, 'utf8')
  return content === '' ? { process: '', netns: ownNetns(), entries: [] } : JSON.parse(content)
}

function ownNetns(): string {
  return readlinkSync('/proc/self/ns/net')
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter(name => /^\d+\.json$/.test(name))
  } catch {
    return []
  }
}

function remove(folder: string, file: string): void {
  rmSync(file, { force: true })
  try {
    rmdirSync(folder)
  } catch {
    // Not made, or others have a journal there.
  }
}

/** What tells a process from a later one with its number: the time when it began, in ticks since boot. '' where it has ended. */
function lifeOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    return ''
  }
}
