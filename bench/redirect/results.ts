import type { Case } from './case.ts'
import {
  amount,
  type Check,
  count,
  duration,
  flag,
  listOf,
  oneOf,
  orNull,
  positive,
  record,
  text,
} from './check.ts'
import { MACHINE, type MachineRecord } from './machine.ts'
import { idOf, MODES, PEERS, VIAS } from './matrix.ts'
import { NIC, type NicRecord } from './nic-record.ts'
import { RUN_SETTINGS, type RunSettings } from './run-settings.ts'
import type { Explained, Sample } from './sample.ts'

export const SCHEMA = 'veth-nl/bench-redirect'
/** What is added later leaves it; what changes the meaning of what is there raises it. */
export const VERSION = 2

/** results.json: what was measured, in full, and nothing that is worked out of it. Fields are explained in docs/bench.md. */
export interface Results {
  readonly schema: typeof SCHEMA
  readonly version: typeof VERSION
  /** When it began: ISO 8601, UTC. */
  readonly begun: string
  /** Of the schedule. */
  readonly seed: number
  readonly quick: boolean
  readonly settings: RunSettings
  readonly machine: MachineRecord
  readonly path: Path
  /** Who sent the frames: 'pktgen', 'live frames', 'AF_PACKET', or 'external'. */
  readonly generator: string
  /** What generators do alone: frames dropped natively at the NIC, where they count as delivered. */
  readonly ceilings: readonly Ceiling[]
  readonly cases: readonly CaseResult[]
  /** The same cases done by other programs in the same run. */
  readonly references: readonly Reference[]
}

/** The way of the frames: into `nic`, redirected into `target`, out of `peer`. */
export interface Path {
  /** 'embedded': private namespaces and a feeder veth as the NIC. 'nic': a device of the machine's. */
  readonly scene: 'embedded' | 'nic'
  readonly nic: NicRecord
  readonly target: string
  readonly peer: string
}

/** A timed run, and when it was: turns count all runs of cases from 0. */
export interface Run extends Sample {
  readonly turn: number
  /** Whether its rate had settled before it ended. */
  readonly steady: boolean
}

export interface CaseResult {
  readonly case: Case
  /** Why it could not be run, where it could not; then it has no runs. */
  readonly notRun: string | null
  readonly explained: Explained
  /** What tracepoints told of the NIC's redirects in a run that was not timed; null where none was made, or they tell nothing. */
  readonly traced: readonly Traced[] | null
  readonly runs: readonly Run[]
}

export interface Traced {
  /** 'xdp:xdp_redirect_err', 'xdp:xdp_devmap_xmit'. */
  readonly tracepoint: string
  readonly code: string | null
  readonly frames: number
}

export interface Ceiling {
  /** The generator's name, or of another program's: 'C with libbpf', 'xdp-trafficgen'. */
  readonly by: string
  readonly size: number
  readonly cores: number
  readonly runs: readonly Sample[]
}

export interface Reference {
  /** 'C with libbpf', 'xdp-bench'. */
  readonly by: string
  readonly case: Case
  readonly runs: readonly Sample[]
}

const CASE = record<Case>({
  mode: oneOf(...MODES),
  peer: oneOf(...PEERS),
  size: count,
  via: oneOf(...VIAS),
  cores: count,
})

const SAMPLE = {
  sent: positive,
  received: count,
  delivered: count,
  nanoseconds: duration,
  kernelNanoseconds: amount,
  drops: listOf(record({ where: text, frames: count })),
}

const CASE_RESULT = record<CaseResult>({
  case: CASE,
  notRun: orNull(text),
  explained: record<Explained>({ reason: orNull(record({ code: orNull(text), summary: text })) }),
  traced: orNull(listOf(record<Traced>({ tracepoint: text, code: orNull(text), frames: count }))),
  runs: listOf(record<Run>({ ...SAMPLE, turn: count, steady: flag })),
})

const RESULTS = record<Results>({
  schema: oneOf<typeof SCHEMA>(SCHEMA),
  version: oneOf<typeof VERSION>(VERSION),
  begun: text,
  seed: count,
  quick: flag,
  settings: RUN_SETTINGS,
  machine: MACHINE,
  path: record<Path>({ scene: oneOf('embedded', 'nic'), nic: NIC, target: text, peer: text }),
  generator: text,
  ceilings: listOf(
    record<Ceiling>({ by: text, size: positive, cores: positive, runs: listOf(record<Sample>(SAMPLE), 1) }),
  ),
  cases: listOf(CASE_RESULT),
  references: listOf(record<Reference>({ by: text, case: CASE, runs: listOf(record<Sample>(SAMPLE), 1) })),
})

/** What a document must be to be Results. @throws TypeError: which field is wrong, and how. */
export const checkResults: Check<Results> = (value, field) => {
  const results = RESULTS(value, field)
  const seen = new Map<string, number>()
  const isExternal = results.generator === 'external'
  results.cases.forEach((each, at) => {
    const here = `cases[${at}]`
    for (const name of ['size', 'cores'] as const) {
      const value = each.case[name]
      if ((value === 0) === isExternal) continue
      const expected = isExternal ? '0, as another machine sends' : '1 or more'
      throw new TypeError(`${here}.case.${name}: expected ${expected}, found ${value}`)
    }
    const before = seen.get(idOf(each.case))
    if (before !== undefined) throw new TypeError(`${here}.case: the same as cases[${before}].case`)
    seen.set(idOf(each.case), at)
    if ((each.notRun === null) !== each.runs.length > 0) {
      throw new TypeError(
        `${here}.runs: expected runs, or the reason why there are none in notRun, and not both`,
      )
    }
    each.runs.forEach(({ turn }, later) => {
      if (later > 0 && turn <= each.runs[later - 1]!.turn) {
        throw new TypeError(`${here}.runs[${later}].turn: expected one after the run before, found ${turn}`)
      }
    })
  })
  return results
}
