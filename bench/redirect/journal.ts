import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Check, count, flag, listOf, oneOf, record, text } from './check.ts'
import { writeWhole } from './results-file.ts'

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
 * process's own, so that several may run; and always whole, whenever the process is killed.
 */
export class Journal {
  readonly #folder: string
  readonly #file: string
  #entries: readonly Entry[] = []

  constructor(folder = JOURNALS) {
    this.#folder = folder
    // With both numbers: another process of this one's number may have left a journal that cannot be put back.
    this.#file = join(folder, `${process.pid}-${lifeOf(process.pid)}.json`)
  }

  /** What is noted, the last first. */
  get entries(): readonly Entry[] {
    return this.#entries.toReversed()
  }

  note(entry: Entry): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
    const entries = [...this.#entries, entry]
    write(this.#file, { process: lifeOf(process.pid), netns: ownNetns(), entries })
    this.#entries = entries
  }

  /** Everything has been put back, but for these: as `entries` has them. */
  close(left: readonly Entry[] = []): void {
    this.#entries = left.toReversed()
    const content = { process: lifeOf(process.pid), netns: ownNetns(), entries: this.#entries }
    if (left.length > 0) write(this.#file, content)
    else remove(this.#folder, this.#file)
  }
}

/** A journal of this network namespace whose process has ended without closing it; or one that nobody can read. */
export interface Leftover {
  readonly file: string
  /** The last first: the order in which to put things back. */
  readonly entries: readonly Entry[]
  /** Why it cannot be read, with the field that is wrong; then it has no entries. */
  readonly damage: Error | null
  /** Everything has been put back, but for these. */
  close(left?: readonly Entry[]): void
}

export function leftovers(folder = JOURNALS): Leftover[] {
  const files = filesIn(folder)
  for (const part of files.filter(name => /\.part$/.test(name))) sweep(folder, part)
  return files
    .filter(name => /^\d+-\d+\.json$/.test(name))
    .map(name => leftover(folder, name))
    .filter(found => found !== null)
}

/** null: its process has closed it meanwhile or will do so, or it is for a run in another namespace. */
function leftover(folder: string, name: string): Leftover | null {
  const file = join(folder, name)
  try {
    const content = JOURNAL(JSON.parse(readFileSync(file, 'utf8')), '')
    if (lifeOf(Number.parseInt(name, 10)) === content.process || content.netns !== ownNetns()) return null
    const close = (left: readonly Entry[] = []) => {
      if (left.length > 0) write(file, { ...content, entries: left.toReversed() })
      else remove(folder, file)
    }
    return { file, entries: content.entries.toReversed(), damage: null, close }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    return { file, entries: [], damage: error as Error, close() {} }
  }
}

function write(file: string, content: Content): void {
  writeWhole(file, JSON.stringify(content), 0o600)
}

/** What a process leaves that is killed before a new journal takes its place: the old one still counts. */
function sweep(folder: string, part: string): void {
  const file = join(folder, part)
  const [, pid] = /\.(\d+)\.part$/.exec(part) ?? []
  // Its number may be another process's by now; nobody writes for so long.
  if (lifeOf(Number(pid)) === '' || ageOf(file) > WRITING_MS) remove(folder, file)
}
const WRITING_MS = 60_000

function ageOf(file: string): number {
  const stat = statSync(file, { throwIfNoEntry: false })
  return stat === undefined ? 0 : Date.now() - stat.mtimeMs
}

function ownNetns(): string {
  return readlinkSync('/proc/self/ns/net')
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
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
