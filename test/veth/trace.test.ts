import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { withDescriptor } from '../../src/bpf/descriptor.ts'
import { loadProgram, type ProgramSource } from '../../src/bpf/program.ts'
import { runLiveFrames } from '../../src/bpf/test-run.ts'
import { type TracedRedirect, type TraceForm, traceRedirects } from '../../src/sync.ts'
import { probeFrame } from '../../src/veth/probe-frame.ts'
import { kernelHas } from '../tools/kernel-needs.ts'
import { needsRoot } from '../tools/netns.ts'
import { real } from '../tools/real.ts'
import { TraceBuffer, testWithTracefs } from '../tools/tracefs.ts'
import { ENDINGS, type Ending } from './endings.ts'
import { Counted, type Scene, sceneIn, send } from './traced.ts'

const FRAMES = 100
const ALWAYS = [5, 6] as const

for (const ending of ENDINGS) {
  const { what, since = ALWAYS } = ending
  const skip = needsRoot || (kernelHas(...since) ? false : `needs Linux ${since.join('.')}`)
  test(`raw tracepoints tell of ${what}`, { skip }, async t => {
    await told(t, sceneIn(t), ending, 'raw tracepoints')
  })
}

/** What a trace reports is what the kernel writes into its own buffer, by either means. */
for (const by of ['raw tracepoints', 'perf events'] as const) {
  testWithTracefs(`${by} tell what the kernel's own trace does`, async t => {
    for (const ending of ENDINGS) {
      if (!kernelHas(...(ending.since ?? ALWAYS))) continue
      const scene = sceneIn(t)
      const buffer = new TraceBuffer(t, scene.nic.getLink().index)
      for (const one of await told(t, scene, ending, by))
        assert.deepEqual(amounts(one), inBuffer(buffer, one), ending.what)
      buffer.remove()
    }
  })
}

async function told(t: TestContext, scene: Scene, ending: Ending, by: TraceForm) {
  const { what, tracepoint, code, lost = 'all', text, verdict, size } = ending
  ending.prepare?.(scene, t)
  const trace = traceRedirects({ by, delivered: true })
  t.after(() => trace.close())
  if (ending.liveFrames === undefined) send(scene, FRAMES, size)
  else sendLive(scene, ending.liveFrames(t))
  const counted = new Counted(scene)
  await counted.readAll(trace)
  trace.close()
  const { refused, delivered, all } = counted.at(tracepoint, code)
  assert.equal(refused + delivered, FRAMES, what)
  if (lost === 'some') assert.ok(refused > 0, what)
  else assert.equal(refused, lost === 'all' ? FRAMES : 0, what)
  for (const one of all) if (one.refused > 0) checkCause(one, scene, by, { what, text, verdict })
  return counted.found
}

function checkCause(
  { text, from, to, cause }: TracedRedirect,
  { nic, T, P }: Scene,
  by: TraceForm,
  expected: Pick<Ending, 'what' | 'verdict'> & { text: RegExp | undefined },
): void {
  if (expected.text !== undefined) assert.match(text!, expected.text)
  if (by === 'raw tracepoints' && from !== null) {
    assert.deepEqual([from.name, from.netns?.inode], ['nic', nic.netns.inode])
  }
  if (expected.verdict === 'no device') {
    assert.equal(cause, null)
    return
  }
  assert.equal(cause?.verdict?.code, expected.verdict, `${expected.what}: ${cause?.unknown}`)
  if (to?.index !== T.getLink().index) return
  assert.equal(cause?.peer?.name, 'P')
  assert.equal(cause?.peer?.netns?.inode, P.netns.inode)
  if (kernelHas(5, 13)) assert.deepEqual(cause?.peer?.napi, [P.getXdp().mode === 'native' && P.getLink().up])
}

/** Refused, and delivered. */
function amounts({ refused, delivered }: TracedRedirect): [number, number] {
  return [refused, delivered]
}

/** The same in the kernel's own buffer. Source of the fields: include/trace/events/xdp.h. */
function inBuffer(
  buffer: TraceBuffer,
  { tracepoint, errno, from, to, mapId, mapIndex }: TracedRedirect,
): [number, number] {
  const isSame = (event: Record<string, string>) =>
    from === null
      ? Number(event.map_id) === mapId && Number(event.to_cpu ?? event.cpu) === mapIndex
      : Number(event.ifindex ?? event.from_ifindex) === from.index &&
        (to === null || Number(event.to_ifindex ?? event.ifindex) === to.index) &&
        Number(event.err ?? 0) === errno
  const events = buffer.events(tracepoint.slice('xdp:'.length)).filter(isSame)
  const total = (of: (event: Record<string, string>) => number) => sum(events, of)
  switch (tracepoint) {
    case 'xdp:xdp_redirect_err':
    case 'xdp:xdp_exception':
      return [events.length, 0]
    case 'xdp:xdp_devmap_xmit':
    case 'xdp:xdp_bulk_tx':
      return [total(({ drops }) => Number(drops)), total(({ sent }) => Number(sent))]
    default:
      return [
        total(({ drops }) => Number(drops)),
        total(({ processed, drops }) => Number(processed) - Number(drops)),
      ]
  }
}

function sum<T>(all: readonly T[], of: (one: T) => number): number {
  return all.reduce((total, one) => total + of(one), 0)
}

function sendLive({ host, nic }: Scene, source: ProgramSource): void {
  const [frame, ingress] = [probeFrame(nic.getLink().address, 64), nic.getLink().index]
  const send = (program: number) => runLiveFrames({ program, frame, count: FRAMES, netns: host, ingress })
  real(withDescriptor(loadProgram(source), send))
}
