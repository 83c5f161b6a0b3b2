import { type Device, device } from '../../src/index.ts'
import { type Entry, JOURNALS, Journal, leftovers } from './journal.ts'

/** Not all that was changed could be put back; the journal keeps it. */
export class NotPutBackError extends Error {}

/** Settings of the machine's devices that are changed for a while. */
export class Changes {
  readonly #journal: Journal

  constructor(journal = new Journal()) {
    this.#journal = journal
  }

  /** at: how the device is found again, should this process be killed. */
  async setFeature(of: Device, at: Pick<Entry, 'end' | 'name' | 'index'>, name: string, on: boolean) {
    const feature = (await of.getFeatures())[name]
    if (feature === undefined) throw new Error(`${at.name} has no feature '${name}'`)
    if (feature.wanted === on && feature.active === on) return
    const isNoted = this.#journal.entries.some(
      entry => entry.feature === name && entry.end === at.end && entry.index === at.index,
    )
    if (!isNoted) this.#journal.note({ ...at, feature: name, was: feature.wanted })
    await of.setFeature(name, on)
  }

  /** Puts back what can be. A second time does nothing more. @throws NotPutBackError: what could not, and why. */
  async restore(): Promise<void> {
    const { left, why } = await putAllBack(this.#journal.entries)
    this.#journal.close(left)
    if (left.length > 0) throw new NotPutBackError(`${why.join('; ')}. Later: npm run bench -- --restore`)
  }
}

/** What became of the settings that killed runs had changed, in lines for people. */
export interface Repaired {
  readonly done: readonly string[]
  /** What could not be put back, in which file it stays, and what to do. */
  readonly left: readonly string[]
}

/** Puts back what runs that were killed have left changed. A journal with anything left in it stays. */
export async function repairLeftovers(folder = JOURNALS): Promise<Repaired> {
  const all = { done: [] as string[], left: [] as string[] }
  for (const { file, entries, damage, close } of leftovers(folder)) {
    if (damage !== null) {
      all.left.push(
        `${file} is no journal (${damage.message}): see what it says, put that back, and remove it`,
      )
      continue
    }
    const { done, left, why } = await putAllBack(entries)
    close(left)
    all.done.push(...done)
    const until = `${file} keeps it for the next --restore; where it cannot be put back, remove that file`
    all.left.push(...why.map(line => `${line}; ${until}`))
  }
  return all
}

/** Each that can be. `why`: of each that is left. */
async function putAllBack(entries: readonly Entry[]) {
  const [done, left, why]: [string[], Entry[], string[]] = [[], [], []]
  for (const entry of entries) {
    const what = wordsOf(entry)
    try {
      done.push(`${what}: ${await putBack(entry)}`)
    } catch (error) {
      left.push(entry)
      why.push(`${what}: ${(error as Error).message}`)
    }
  }
  return { done, left, why }
}

function wordsOf({ end, name, feature, was }: Entry): string {
  return `${feature} ${was ? 'on' : 'off'} at ${end === 'peer' ? `the peer of ${name}` : name}`
}

/** A device that is gone, or another one by now, has nothing to be put back. @returns how it is now, in words. */
async function putBack({ end, name, index, feature, was }: Entry): Promise<string> {
  try {
    const found = device(name)
    if ((await found.getLink()).index !== index) return `left, as ${name} is another device now`
    const target = end === 'peer' ? await found.getVethPeer() : found
    await target.setFeature(feature, was)
    return 'as before'
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENODEV') return `left, as there is no ${name} any more`
    throw error
  }
}
