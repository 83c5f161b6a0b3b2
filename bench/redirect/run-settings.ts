import { count, listOf, orNull, positive, record, text } from './check.ts'
import type { CommandLine } from './command-line.ts'
import { nameOf } from './measure.ts'
import type { PktgenOptions } from './pktgen-order.ts'
import type { Scene } from './scene.ts'

/** How a run of the benchmark was asked for, as far as its rates depend on it. */
export interface RunSettings {
  readonly repeats: number
  /** Of each sample, without warm-up and preparations. */
  readonly milliseconds: number
  /** Those that may send, by number, in the order in which they are taken; none where another machine sends. */
  readonly cpus: readonly number[]
  /** The device that the frames are sent out of; null where another machine sends. */
  readonly from: string | null
  /** null where pktgen does not send. */
  readonly pktgen: PktgenSettings | null
}

/** null: not given, so as pktgen.ts has it of itself. */
export type PktgenSettings = { readonly [name in keyof PktgenOptions]-?: PktgenOptions[name] | null }

export const RUN_SETTINGS = record<RunSettings>({
  repeats: positive,
  milliseconds: positive,
  cpus: listOf(count),
  from: orNull(text),
  pktgen: orNull(
    record<PktgenSettings>({
      flows: orNull(count),
      delay: orNull(count),
      queues: orNull(listOf(count)),
      clones: orNull(count),
      burst: orNull(count),
    }),
  ),
})

export async function settingsOf(
  { repeats, milliseconds, pktgen }: CommandLine,
  cpus: readonly number[],
  { from, generator }: Scene,
): Promise<RunSettings> {
  const { flows = null, delay = null, queues = null, clones = null, burst = null } = pktgen
  return {
    repeats,
    milliseconds,
    cpus: generator === null ? [] : cpus,
    from: from === null ? null : await nameOf(from),
    pktgen: generator?.name === 'pktgen' ? { flows, delay, queues, clones, burst } : null,
  }
}

/** As --pktgen takes it: 'flows=64 delay=1000'; '' where nothing was given. */
export function pktgenText(pktgen: PktgenSettings | null): string {
  return Object.entries(pktgen ?? {})
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ')
}
