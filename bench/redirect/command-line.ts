import { parseArgs } from 'node:util'
import type { GeneratorName } from './generator.ts'
import { type PktgenOptions, parsePktgenOptions } from './pktgen-order.ts'
import { LEAST_REPEATS } from './summary.ts'

export interface CommandLine {
  readonly only: readonly string[]
  readonly quick: boolean
  readonly repeats: number
  /** Of each sample. */
  readonly milliseconds: number
  readonly seed: number
  /** null: the best that the kernel has. */
  readonly generator: GeneratorName | null
  readonly pktgen: PktgenOptions
  /** A folder for the report. */
  readonly out: string | null
  /** An earlier results.json. */
  readonly compare: string | null
  readonly json: boolean
  /** A device of this machine, and the veth to redirect into; null: private namespaces. */
  readonly machine: MachineDevices | null
  readonly force: boolean
  /** Only puts back what a killed run has left changed. */
  readonly restore: boolean
}

export interface MachineDevices {
  readonly nic: string
  readonly target: string
  /** null: another machine sends. */
  readonly from: string | null
}

const GENERATORS: Readonly<Record<string, GeneratorName>> = {
  pktgen: 'pktgen',
  'live-frames': 'live frames',
  'af-packet': 'AF_PACKET',
}

export const USAGE = `npm run bench -- [options], as root

  --quick                four cases in short runs
  --only TEXT            some cases: 'native,gro,64', 'mode=native peer=plain,gro cores=n'; may be repeated
  --repeats N            how often each case is measured (${LEAST_REPEATS}; fewer allow no conclusion)
  --milliseconds N       how long each time (180)
  --seed N               of the order of the runs
  --generator NAME       ${Object.keys(GENERATORS).join(', ')}
  --pktgen TEXT          of pktgen: 'flows=N delay=NS clones=N burst=N queues=N,N'
  --out DIR              writes results.json, report.md and charts there
  --compare FILE         an earlier results.json: now over before
  --json                 prints results.json instead of the table

  --nic NAME --target NAME    redirects from a NIC of this machine into a veth
  --from NAME                 another port of this machine sends to it
  --traffic external          another machine sends to it
  --force                     even if a device carries the default route or the ssh session
  --restore                   puts back what a run that was killed has left changed, and ends
`

/** @throws TypeError: what is wrong with it. */
export function commandLine(args: readonly string[]): CommandLine {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', multiple: true, default: [] },
      quick: { type: 'boolean', default: false },
      repeats: { type: 'string' },
      milliseconds: { type: 'string' },
      seed: { type: 'string' },
      generator: { type: 'string' },
      pktgen: { type: 'string', default: '' },
      out: { type: 'string' },
      compare: { type: 'string' },
      json: { type: 'boolean', default: false },
      nic: { type: 'string' },
      target: { type: 'string' },
      from: { type: 'string' },
      traffic: { type: 'string' },
      force: { type: 'boolean', default: false },
      restore: { type: 'boolean', default: false },
    },
  })
  const { only, quick, json, force, restore, out = null, compare = null } = values
  const machine = machineDevices(values)
  const generator = generatorOf(values.generator)
  const pktgen = parsePktgenOptions(values.pktgen)
  const wantsPktgen = Object.keys(pktgen).length > 0
  if (machine !== null && machine.from === null && (generator !== null || wantsPktgen)) {
    throw new TypeError(
      'with --traffic external another machine sends: --generator and --pktgen are for --from',
    )
  }
  if (wantsPktgen && generator !== null && generator !== 'pktgen') {
    throw new TypeError(`--pktgen is of pktgen, not of --generator ${values.generator}`)
  }
  return {
    only,
    quick,
    repeats: wholeNumber('repeats', values.repeats, quick ? 2 : LEAST_REPEATS),
    milliseconds: wholeNumber('milliseconds', values.milliseconds, quick ? 60 : 180),
    seed: wholeNumber('seed', values.seed, 1 + Math.floor(Math.random() * 999_999)),
    generator: wantsPktgen ? 'pktgen' : generator,
    pktgen,
    out,
    compare,
    json,
    machine,
    force,
    restore,
  }
}

function machineDevices({ nic, target, from, traffic }: Record<string, unknown>): MachineDevices | null {
  const given = { nic, target, from, traffic } as Partial<Record<string, string>>
  if (Object.values(given).every(value => value === undefined)) return null
  if (given.nic === undefined || given.target === undefined) {
    throw new TypeError('a device of this machine takes both --nic and --target')
  }
  if (given.traffic !== undefined && given.traffic !== 'external') {
    throw new TypeError(`--traffic is 'external', not '${given.traffic}'`)
  }
  if ((given.from === undefined) === (given.traffic === undefined)) {
    throw new TypeError(
      'say who sends to the NIC: --from another port of this machine, or --traffic external',
    )
  }
  return { nic: given.nic, target: given.target, from: given.from ?? null }
}

function generatorOf(word: string | undefined): GeneratorName | null {
  if (word === undefined) return null
  const name = GENERATORS[word]
  if (name !== undefined) return name
  throw new TypeError(`--generator is one of ${Object.keys(GENERATORS).join(', ')}, not '${word}'`)
}

function wholeNumber(option: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new TypeError(`--${option} takes a number, not '${text}'`)
  return Number(text)
}
