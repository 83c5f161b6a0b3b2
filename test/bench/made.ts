import type { Case } from '../../bench/redirect/case.ts'
import { casesOf, type Selection } from '../../bench/redirect/matrix.ts'
import type { Results, Run } from '../../bench/redirect/results.ts'
import type { Sample } from '../../bench/redirect/sample.ts'
import { mulberry32, schedule } from '../../bench/redirect/schedule.ts'

/** A made-up machine's numbers, and how uneven its runs are. */
export interface Made extends Partial<Selection> {
  readonly seed?: number
  readonly repeats?: number
  /** Standard deviation of the rates of one run's repeats, and of whole runs, as parts. */
  readonly noise?: number
  readonly runToRun?: number
  /** By which part the machine becomes faster from the first turn to the last. */
  readonly drift?: number
  /** Of all rates. */
  readonly speed?: number
  /** Another machine sends. */
  readonly external?: boolean
}

const SETTING: Omit<Results, 'cases' | 'ceilings' | 'seed' | 'quick'> = {
  schema: 'veth-nl/bench-redirect',
  version: 2,
  begun: '2026-01-02T03:04:05.678Z',
  settings: { repeats: 5, milliseconds: 180, cpus: [3, 2, 1, 0], from: 'gen0', pktgen: null },
  machine: {
    kernel: '6.18.44',
    build: '#1 SMP PREEMPT_DYNAMIC',
    node: 'v20.20.2',
    cpu: 'Made Up 9000',
    cpus: 4,
    governor: 'performance',
    smt: true,
    isolated: '',
    virtual: false,
    mitigations: { meltdown: 'Not affected', spectre_v2: 'Mitigation: Retpolines' },
  },
  path: {
    scene: 'embedded',
    nic: {
      name: 'nic0',
      driver: 'veth',
      driverVersion: '1.0',
      bus: null,
      mtu: 1500,
      queues: { rx: 1, tx: 1, combined: 0 },
      offloads: ['rx-gro', 'tx-checksum-ip-generic'],
    },
    target: 'veth_xxx0',
    peer: 'eth0',
  },
  generator: 'live frames',
  references: [],
}

/** Results as a run of the benchmark writes them: native redirects to a plain peer fail, all else arrives. */
export function madeResults({ only = [], quick = false, ...made }: Made = {}): Results {
  const { seed = 1, repeats = 5, noise = 0.01, runToRun = 0, drift = 0, speed = 1, external = false } = made
  const random = mulberry32(seed)
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  const cases = casesOf({ only, quick }, external ? null : SETTING.machine.cpus)
  const whole = cases.map(() => speed * Math.exp(runToRun * normal()))
  const turns = schedule(cases, repeats, seed)
  const runs = cases.map((): Run[] => [])
  for (const { turn, case: each } of turns) {
    const at = cases.indexOf(each)
    const passed = 1 + (drift * turn) / turns.length
    runs[at]!.push({
      turn,
      steady: true,
      ...sampleOf(each, whole[at]! * passed * Math.exp(noise * normal())),
    })
  }
  const sizesAndCores = external ? [] : cases.map(({ size, cores }) => `${size} ${cores}`)
  return {
    ...SETTING,
    seed,
    quick,
    settings: { ...SETTING.settings, repeats, ...(external && { cpus: [], from: null }) },
    ...(external && { generator: 'external', path: { ...SETTING.path, scene: 'nic' } }),
    ceilings: [...new Set(sizesAndCores)].map(each => {
      const [size, cores] = each.split(' ').map(Number) as [number, number]
      return {
        by: SETTING.generator,
        size,
        cores,
        runs: Array.from({ length: repeats }, () => sampleAt(4e6 * speed * Math.exp(noise * normal()), 1)),
      }
    }),
    cases: cases.map((each, at) => ({
      case: each,
      notRun: null,
      explained: {
        reason: fails(each) ? { code: 'EOPNOTSUPP', summary: 'A native-mode redirect fails.' } : null,
      },
      traced: null,
      runs: runs[at]!,
    })),
  }
}

function fails({ mode, peer }: Case): boolean {
  return mode === 'native' && peer === 'plain'
}

function sampleOf(each: Case, factor: number): Sample {
  const peer = { plain: 1, gro: 0.9, pass: 1.05, drop: 1.5 }[each.peer]
  const base = 1e6 * peer * (each.mode === 'native' ? 1.3 : 1) * (each.via === 'devmap' ? 1.1 : 1)
  return sampleAt((factor * base * (each.cores || 1) ** 0.8) / (1 + each.size / 3000), fails(each) ? 0 : 1)
}

/** A run of a million frames, sent at this rate; the rest is lost at the target. */
export function sampleAt(framesPerSecond: number, arrives: number): Sample {
  const sent = 1_000_000
  const delivered = Math.round(sent * arrives)
  const nanoseconds = Math.round((1e9 * sent) / framesPerSecond)
  const drops = delivered === sent ? [] : [{ where: 'veth_xxx0 tx_dropped', frames: sent - delivered }]
  return { sent, received: sent, delivered, nanoseconds, kernelNanoseconds: nanoseconds, drops }
}
