import { SystemError, UnsupportedError } from '../wire/errors.ts'
import { type Operation, sheltered } from '../wire/operation.ts'
import { closeDescriptor } from './descriptor.ts'
import { isAboutKernelTypes } from './kernel-layout.ts'
import { netDeviceLayout } from './net-device-layout.ts'
import { attachTracepoint } from './perf-event.ts'
import { getMisses, loadProgram, type ProgramSource } from './program.ts'
import { closeTraceMaps, createTraceMaps, type TraceMaps, type TraceTally, takeTally } from './trace-map.ts'
import { perfReader, TRACED } from './trace-perf.ts'
import { type TraceReader, type TraceSelection, traceProgram } from './trace-program.ts'
import { rawReaders } from './trace-raw.ts'
import { hasFewerArguments, openRawTracepoint } from './tracepoint.ts'
import { readFormat } from './tracepoint-format.ts'

/** How programs get to see what the kernel tells. */
export type TraceForm = 'raw tracepoints' | 'perf events'

/** Programs at work. Gone with the process, if closeTrace() does not come first. */
export interface Trace {
  readonly form: TraceForm
  readonly maps: TraceMaps
  readonly programs: readonly Attached[]
  /** How often the kernel has passed over the programs so far. */
  misses: number
  /** false once it is closed: its descriptors' numbers may be anybody's then. */
  open: boolean
}

export function* openTrace(
  selection: TraceSelection,
  by: TraceForm | null,
  entries: number,
): Operation<Trace> {
  const maps = yield* createTraceMaps(entries)
  try {
    return { ...(yield* attach(maps, selection, by)), maps, misses: 0, open: true }
  } catch (error) {
    yield* closeTraceMaps(maps)
    throw error
  }
}

/** What was counted since the last time, or since it was opened. */
export function* readTrace(trace: Trace): Operation<TraceTally> {
  if (!trace.open) throw new Error('the trace is closed')
  // Else what is half taken when the caller gives up would be lost.
  return yield* sheltered(takeAll(trace))
}

function* takeAll(trace: Trace): Operation<TraceTally> {
  const tally = yield* takeTally(trace.maps)
  let misses = 0
  for (const { program } of trace.programs) misses += yield* getMisses(program)
  const uncounted = tally.uncounted + misses - trace.misses
  trace.misses = misses
  return { ...tally, uncounted }
}

/** Stops counting; a second time does nothing. */
export function* closeTrace(trace: Trace): Operation<void> {
  if (!trace.open) return
  trace.open = false
  yield* detach(trace.programs)
  yield* closeTraceMaps(trace.maps)
}

/** A program, and what holds it at its tracepoint. */
interface Attached {
  readonly program: number
  readonly link: number
}

function* attach(
  maps: TraceMaps,
  selection: TraceSelection,
  by: TraceForm | null,
): Operation<Pick<Trace, 'form' | 'programs'>> {
  if (by === 'perf events') return { form: by, programs: yield* attachPerf(maps, selection) }
  try {
    return { form: 'raw tracepoints', programs: yield* attachRaw(maps, selection) }
  } catch (error) {
    if (by !== null) throw error
    if (isAboutKernelTypes(error)) return yield* withoutTypes(maps, selection)
    if (error instanceof SystemError && selection.netnsInode === null)
      return yield* withoutRaw(error, maps, selection)
    throw error
  }
}

function* withoutTypes(
  maps: TraceMaps,
  selection: TraceSelection,
): Operation<Pick<Trace, 'form' | 'programs'>> {
  if (selection.netnsInode !== null)
    throw new UnsupportedError('BTF, by which a trace tells namespaces', '5.4')
  return { form: 'perf events', programs: yield* attachPerf(maps, selection) }
}

/** A kernel that is locked down, say, lets no program read its memory. Where nothing helps, what failed first is told. */
function* withoutRaw(
  refused: SystemError,
  maps: TraceMaps,
  selection: TraceSelection,
): Operation<Pick<Trace, 'form' | 'programs'>> {
  try {
    return { form: 'perf events', programs: yield* attachPerf(maps, selection) }
  } catch (error) {
    throw error instanceof SystemError ? refused : error
  }
}

function* attachPerf(maps: TraceMaps, selection: TraceSelection): Operation<Attached[]> {
  const attached: Attached[] = []
  try {
    for (const [place, event] of TRACED) {
      const format = yield* readFormat(event)
      const source = traceProgram(perfReader(place, format), maps, selection)
      attached.push(yield* attachOne(source, fd => attachTracepoint(format.id, fd)))
    }
    return attached
  } catch (error) {
    yield* detach(attached)
    throw error
  }
}

/** The kernel refuses a program that reads more arguments than the tracepoint has, so the longer list is tried first. */
function* attachRaw(maps: TraceMaps, selection: TraceSelection): Operation<Attached[]> {
  const layout = yield* netDeviceLayout()
  try {
    return yield* attachReaders(rawReaders(layout, 'map by type'), maps, selection)
  } catch (error) {
    if (!hasFewerArguments(error)) throw error
    return yield* attachReaders(rawReaders(layout, 'map by address'), maps, selection)
  }
}

function* attachReaders(
  readers: readonly TraceReader[],
  maps: TraceMaps,
  selection: TraceSelection,
): Operation<Attached[]> {
  const attached: Attached[] = []
  try {
    for (const reader of readers) {
      const source = traceProgram(reader, maps, selection)
      attached.push(yield* attachOne(source, fd => openRawTracepoint(reader.place, fd)))
    }
    return attached
  } catch (error) {
    yield* detach(attached)
    throw error
  }
}

function* attachOne(
  source: ProgramSource,
  open: (program: number) => Operation<number>,
): Operation<Attached> {
  const program = yield* loadProgram(source)
  try {
    return { program, link: yield* open(program) }
  } catch (error) {
    yield* closeDescriptor(program)
    throw error
  }
}

function* detach(attached: readonly Attached[]): Operation<void> {
  for (const { program, link } of attached) {
    yield* closeDescriptor(link)
    yield* closeDescriptor(program)
  }
}
