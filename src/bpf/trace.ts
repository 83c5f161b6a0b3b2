import { SystemError, UnsupportedError } from '../wire/errors.ts'
import { type Operation, sheltered } from '../wire/operation.ts'
import { closeDescriptor, withDescriptor } from './descriptor.ts'
import { isAboutKernelTypes } from './kernel-layout.ts'
import { netDeviceLayout } from './net-device-layout.ts'
import { attachTracepoint } from './perf-event.ts'
import { loadProgram } from './program.ts'
import { closeTraceMaps, createTraceMaps, type TraceMaps, type TraceTally, takeTally } from './trace-map.ts'
import { perfReader, TRACED } from './trace-perf.ts'
import { type TraceSelection, traceProgram } from './trace-program.ts'
import { type RedirectArguments, rawReaders } from './trace-raw.ts'
import { openRawTracepoint } from './tracepoint.ts'
import { readFormat } from './tracepoint-format.ts'

/** How programs get to see what the kernel tells. */
export type TraceForm = 'raw tracepoints' | 'perf events'

/** Programs at work. Gone with the process, if closeTrace() does not come first. */
export interface Trace {
  readonly form: TraceForm
  readonly maps: TraceMaps
  /** The links to the tracepoints. */
  readonly links: readonly number[]
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
    return { ...(yield* attach(maps, selection, by)), maps, open: true }
  } catch (error) {
    yield* closeTraceMaps(maps)
    throw error
  }
}

/** What was counted since the last time, or since it was opened. */
export function* readTrace({ maps, open }: Trace): Operation<TraceTally> {
  if (!open) throw new Error('the trace is closed')
  // Else what is half taken when the caller gives up would be lost.
  return yield* sheltered(takeTally(maps))
}

/** Stops counting; a second time does nothing. */
export function* closeTrace(trace: Trace): Operation<void> {
  if (!trace.open) return
  trace.open = false
  for (const link of trace.links) yield* closeDescriptor(link)
  yield* closeTraceMaps(trace.maps)
}

type Attached = Pick<Trace, 'form' | 'links'>

function* attach(maps: TraceMaps, selection: TraceSelection, by: TraceForm | null): Operation<Attached> {
  if (by === 'perf events') return yield* attachPerf(maps, selection)
  try {
    return yield* attachRaw(maps, selection)
  } catch (error) {
    if (by !== null || !isAboutKernelTypes(error)) throw error
    if (selection.netnsInode !== null)
      throw new UnsupportedError('BTF, by which a trace tells namespaces', '5.4')
    return yield* attachPerf(maps, selection)
  }
}

function* attachPerf(maps: TraceMaps, selection: TraceSelection): Operation<Attached> {
  const links = yield* attachAll(TRACED, function* ([place, event]) {
    const format = yield* readFormat(event)
    const program = loadProgram(traceProgram(perfReader(place, format), maps, selection))
    return yield* withDescriptor(program, fd => attachTracepoint(format.id, fd))
  })
  return { form: 'perf events', links }
}

/** The kernel refuses a program that reads more arguments than the tracepoint has, so the longer list is tried first. */
function* attachRaw(maps: TraceMaps, selection: TraceSelection): Operation<Attached> {
  const layout = yield* netDeviceLayout()
  const attachBy = (redirect: RedirectArguments) =>
    attachAll(rawReaders(layout, redirect), reader => {
      const program = loadProgram(traceProgram(reader, maps, selection))
      return withDescriptor(program, fd => openRawTracepoint(reader.place, fd))
    })
  try {
    return { form: 'raw tracepoints', links: yield* attachBy('map by type') }
  } catch (error) {
    const isShorter =
      error instanceof SystemError &&
      error.code === 'EINVAL' &&
      error.syscall === 'bpf BPF_RAW_TRACEPOINT_OPEN'
    if (!isShorter) throw error
    return { form: 'raw tracepoints', links: yield* attachBy('map by address') }
  }
}

/** The links keep their programs. */
function* attachAll<T>(all: readonly T[], attach: (one: T) => Operation<number>): Operation<number[]> {
  const links: number[] = []
  try {
    for (const one of all) links.push(yield* attach(one))
    return links
  } catch (error) {
    for (const link of links) yield* closeDescriptor(link)
    throw error
  }
}
