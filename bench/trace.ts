/**
 * What traceRedirects() costs a running redirect: `npm run bench:trace -- [--rounds N] [--quick] [--json]`, as root, Linux
 * 5.18. Live frames are redirected into a veth by turns without a trace and with one; what counts is the ratio of two
 * neighbours. Exit status 1 where a trace missed a frame, 2 for wrong usage.
 */
import { closeDescriptor, loadProgram, runLiveFrames, runSync, SyncKernel } from '../src/codec.ts'
import {
  createNetns,
  createVethPair,
  type Device,
  SystemError,
  type TraceForm,
  type TraceReport,
  traceRedirects,
  xdpDrop,
  xdpRedirect,
} from '../src/sync.ts'
import { progressOf } from './progress.ts'
import { machine } from './report.ts'
import { roundsLine } from './rounds-line.ts'
import { type Spread, spread } from './spread.ts'

const FULL = { rounds: 15, frames: 500_000 }
const QUICK = { rounds: 2, frames: 20_000 }

const BY: readonly TraceForm[] = ['raw tracepoints', 'perf events']
/** What of the frames is asked for; where they fail both are the same. */
const WAYS = [
  { frames: 'delivered', what: 'delivered; failures are traced', delivered: false },
  { frames: 'delivered', what: 'delivered; all is traced', delivered: true },
  { frames: 'refused', what: 'refused, and traced', delivered: false },
] as const
type Way = (typeof WAYS)[number]

interface Measured {
  readonly what: string
  readonly by: TraceForm
  /** Nanoseconds per frame, of the round's turn without the trace and with it; and the second by the first. */
  readonly without: Spread
  readonly traced: Spread
  readonly ratio: Spread
}

const kernel = new SyncKernel()
const FRAME = new Uint8Array(60)
/** From a locally administered address, of the ethertype for experiments. */
FRAME.set([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0, 0, 0, 0, 1, 0x88, 0xb5])

/** A veth whose peer drops what it gets, by a native program; or has no NAPI, so that all is refused. */
function target(frames: Way['frames']): Device {
  const netns = createNetns()
  const quiet = { netns, up: true, addrGenMode: 'none' } as const
  const [veth, peer] = createVethPair({ name: 'veth0', ...quiet, peer: { name: 'eth0', ...quiet } })
  if (frames === 'delivered') peer.attachXdp(xdpDrop())
  return veth
}

/** Nanoseconds per frame, in the kernel. */
function redirect(program: number, { netns }: Device, count: number): number {
  return runSync(runLiveFrames({ program, frame: FRAME, count, netns }), kernel)
}

/** Frames that the report has, of one kind. */
function counted({ redirects }: TraceReport, kind: Way['frames']): number {
  return redirects.reduce((sum, one) => sum + one[kind], 0)
}

function measure(
  { frames: kind, what, delivered }: Way,
  by: TraceForm,
  { rounds, frames }: typeof FULL,
): Measured {
  const veth = target(kind)
  const program = runSync(loadProgram(xdpRedirect(veth.getLink().index)), kernel)
  const turns = { without: [] as number[], traced: [] as number[], ratio: [] as number[] }
  const progress = progressOf(`rounds: ${what}, ${by}`, rounds)
  for (let round = -1; round < rounds; round++) {
    const without = redirect(program, veth, frames)
    const trace = traceRedirects({ by, delivered, ...(by !== 'perf events' && { netns: veth.netns }) })
    const traced = redirect(program, veth, frames)
    const found = counted(trace.read(), kind)
    trace.close()
    const expected = kind === 'refused' || delivered ? frames : 0
    if (found < expected) throw new Error(`${what}, ${by}: ${found} of ${expected} frames counted`)
    if (round < 0) continue
    turns.without.push(without)
    turns.traced.push(traced)
    turns.ratio.push(traced / without)
    progress(round + 1)
  }
  runSync(closeDescriptor(program), kernel)
  return {
    what,
    by,
    without: spread(turns.without),
    traced: spread(turns.traced),
    ratio: spread(turns.ratio),
  }
}

/** What it takes to trace in this way, where that is not there; else null. */
function lacking(by: TraceForm): string | null {
  try {
    traceRedirects({ by }).close()
    return null
  } catch (error) {
    if (error instanceof SystemError && error.code === 'ENOENT') return error.message
    throw error
  }
}

const { settings, json } = roundsLine('bench:trace', FULL, QUICK)
const missing = new Map(BY.map(by => [by, lacking(by)]))
const measured = BY.filter(by => missing.get(by) === null).flatMap(by =>
  WAYS.map(way => measure(way, by, settings)),
)
const left = [...missing].flatMap(([by, reason]) =>
  reason === null ? [] : [`not measured: ${by}: ${reason}`],
)
if (json) {
  const report = { schema: 'veth-nl/bench-trace', version: 1, machine: machine(), settings, measured, left }
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
} else {
  const { kernel: release, node, cpu, cpus } = machine()
  const nanoseconds = ({ median, min, max }: Spread) => `${median} (${min} – ${max})`.padStart(18)
  const ratio = ({ median, min, max }: Spread) =>
    [median, min, max]
      .map(value => value.toFixed(2))
      .join(' / ')
      .padStart(20)
  process.stdout.write(
    [
      `Linux ${release}, Node ${node}, ${cpus} × ${cpu}`,
      '',
      `live frames of 60 bytes into a veth, ${settings.rounds} × ${settings.frames}: ns per frame, median (min – max)`,
      `${''.padEnd(48)} ${'not traced'.padStart(18)} ${'traced'.padStart(18)} ${'ratio, min, max'.padStart(20)}`,
      ...measured.map(
        ({ what, by, without, traced, ...one }) =>
          `${`${what} (${by})`.padEnd(48)} ${nanoseconds(without)} ${nanoseconds(traced)} ${ratio(one.ratio)}`,
      ),
      ...left,
      '',
    ].join('\n'),
  )
}
