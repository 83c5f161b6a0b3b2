import { type Device, device } from '../../src/index.ts'
import { type Entry, JOURNALS, Journal, leftovers } from './journal.ts'

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

  /** Puts everything back. A second time does nothing. @throws the first error; the journal stays then. */
  async restore(): Promise<void> {
    for (const entry of this.#journal.entries) await putBack(entry)
    this.#journal.close()
  }
}

/** Puts back what runs that were killed have left changed. @returns a line for each setting, for people. */
export async function repairLeftovers(folder = JOURNALS): Promise<string[]> {
  const lines: string[] = []
  for (const { entries, forget } of leftovers(folder)) {
    for (const entry of entries) lines.push(await putBack(entry))
    forget()
  }
  return lines
}

/** A device that is gone, or another one by now, has nothing to be put back. */
async function putBack({ end, name, index, feature, was }: Entry): Promise<string> {
  const what = `${feature} ${was ? 'on' : 'off'} at ${end === 'peer' ? `the peer of ${name}` : name}`
  try {
    const found = device(name)
    if ((await found.getLink()).index !== index) return `${what}: left, as ${name} is another device now`
    const target = end === 'peer' ? await found.getVethPeer() : found
    await target.setFeature(feature, was)
    return `${what}: as before`
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENODEV')
      return `${what}: left, as there is no ${name} any more`
    throw error
  }
}
