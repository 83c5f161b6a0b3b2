import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { BpfAttr, bpf } from '../../src/bpf/command.ts'
import { withDescriptor } from '../../src/bpf/descriptor.ts'
import { BPF_FUNC } from '../../src/bpf/helper.ts'
import { call, exit, loadMapFd, mov, R0, R1, R2, R3 } from '../../src/bpf/instruction.ts'
import { type BpfMap, updateElement } from '../../src/bpf/map.ts'
import { loadProgram, type ProgramSource } from '../../src/bpf/program.ts'
import { xdpRedirectType } from '../../src/bpf/programs.ts'
import { createRedirectDevmap } from '../../src/bpf/redirect-devmap.ts'
import { runLiveFrames } from '../../src/bpf/test-run.ts'
import { type TracedRedirect, type TraceForm, traceRedirects, xdpPass, xdpRedirect } from '../../src/sync.ts'
import { ETH_P_EXPERIMENTAL, probeFrame } from '../../src/veth/probe-frame.ts'
import { ask } from '../../src/wire/operation.ts'
import { kernelHas } from '../tools/kernel-needs.ts'
import { needsRoot } from '../tools/netns.ts'
import { real } from '../tools/real.ts'
import { TraceBuffer, testWithTracefs } from '../tools/tracefs.ts'
import { Counted, type Scene, sceneIn, send } from './traced.ts'

const FRAMES = 100
const ALWAYS = [5, 6] as const
const XDP_TX = 3
const BPF_F_BROADCAST = 1 << 3

/** How frames that nic redirects end. */
interface Ending {
  readonly what: string
  readonly since?: readonly [major: number, minor: number]
  /** Makes it so, and has nic's program redirect. */
  readonly prepare?: (scene: Scene, t: TestContext) => void
  /** Instead: the program that redirects live frames. */
  readonly liveFrames?: (t: TestContext) => ProgramSource
  readonly size?: number
  readonly tracepoint: TracedRedirect['tracepoint']
  readonly code: string | null
  /** How many of the frames are lost there: all unless said. */
  readonly lost?: 'none' | 'some'
  readonly text?: RegExp
  /** The verdict's code, where it is about the target; else there is no device to have one. */
  readonly verdict: string | null | 'no device'
}

const toT = (scene: Scene) => scene.nic.attachXdp(xdpRedirect(scene.T.getLink().index))
const NO_NAPI = kernelHas(6, 3)
  ? ({ tracepoint: 'xdp:xdp_redirect_err', code: 'EOPNOTSUPP', verdict: 'EOPNOTSUPP' } as const)
  : ({ tracepoint: 'xdp:xdp_devmap_xmit', code: 'ENXIO', verdict: 'ENXIO' } as const)

const ENDINGS: readonly Ending[] = [
  { what: 'a peer without NAPI', prepare: toT, ...NO_NAPI },
  {
    what: 'a peer with a native program',
    prepare(scene) {
      scene.P.attachXdp(xdpPass())
      toT(scene)
    },
    tracepoint: 'xdp:xdp_devmap_xmit',
    code: null,
    lost: 'none',
    verdict: 'no device',
  },
  {
    what: 'a peer that went down',
    prepare(scene) {
      scene.P.attachXdp(xdpPass())
      scene.P.down()
      toT(scene)
    },
    tracepoint: 'xdp:xdp_devmap_xmit',
    code: 'ENXIO',
    verdict: 'ENXIO',
  },
  {
    what: 'a target that is down',
    prepare(scene) {
      scene.P.attachXdp(xdpPass())
      scene.T.down()
      toT(scene)
    },
    tracepoint: 'xdp:xdp_redirect_err',
    code: 'ENETDOWN',
    verdict: 'ENETDOWN',
  },
  {
    what: 'frames that are too long',
    prepare(scene) {
      scene.P.attachXdp(xdpPass())
      scene.T.setMtu(100)
      toT(scene)
    },
    size: 200,
    tracepoint: 'xdp:xdp_redirect_err',
    code: 'EMSGSIZE',
    verdict: 'EMSGSIZE',
  },
  {
    what: 'a program in generic mode',
    prepare({ nic, T }) {
      T.down()
      nic.attachXdp(xdpRedirect(T.getLink().index), { mode: 'generic' })
    },
    tracepoint: 'xdp:xdp_redirect_err',
    code: 'ENETDOWN',
    verdict: 'ENETDOWN',
  },
  {
    what: 'a device that is not there',
    prepare: ({ nic }) => nic.attachXdp(xdpRedirect(4711)),
    tracepoint: 'xdp:xdp_redirect_err',
    code: 'EINVAL',
    verdict: 'EINVAL',
  },
  {
    what: 'a devmap',
    prepare({ nic, T }, t) {
      const devmap = real(createRedirectDevmap(T.getLink().index, T.netns))
      t.after(() => real(ask({ kind: 'close', fd: devmap.fd })))
      nic.attachXdp(xdpRedirectType(ETH_P_EXPERIMENTAL, devmap, false))
    },
    ...NO_NAPI,
  },
  {
    what: 'a broadcast by devmap',
    since: [5, 13],
    prepare({ nic, T, P }, t) {
      // On 6.3 and later T has to keep its bit so as not to be passed over.
      P.attachXdp(xdpPass())
      P.down()
      const devmap = real(createRedirectDevmap(T.getLink().index, T.netns))
      t.after(() => real(ask({ kind: 'close', fd: devmap.fd })))
      nic.attachXdp(redirectMap(devmap.fd, 0, BPF_F_BROADCAST))
    },
    tracepoint: 'xdp:xdp_devmap_xmit',
    code: 'ENXIO',
    verdict: 'ENXIO',
  },
  {
    what: 'XDP_TX',
    prepare: ({ nic }) => nic.attachXdp({ ...xdpPass(), name: 'tx', code: [mov(R0, XDP_TX), exit()] }),
    tracepoint: 'xdp:xdp_bulk_tx',
    code: 'ENXIO',
    verdict: 'ENXIO',
  },
  {
    what: 'a key that the map has not',
    prepare({ nic, T }, t) {
      const devmap = real(createRedirectDevmap(T.getLink().index, T.netns))
      t.after(() => real(ask({ kind: 'close', fd: devmap.fd })))
      nic.attachXdp(redirectMap(devmap.fd, 1, 0))
    },
    tracepoint: 'xdp:xdp_exception',
    code: null,
    text: /XDP_ABORTED, as bpf_redirect_map\(\)/,
    verdict: 'no device',
  },
  {
    what: "a CPU's full queue",
    since: [5, 18],
    // Those of a batch come at once: more than the queue has room for, however soon the CPU takes them.
    liveFrames(t) {
      const map = cpumapOfOne()
      t.after(() => real(ask({ kind: 'close', fd: map.fd })))
      return redirectMap(map.fd, 0, 0)
    },
    tracepoint: 'xdp:xdp_cpumap_enqueue',
    code: null,
    lost: 'some',
    text: /queue is full/,
    verdict: 'no device',
  },
]

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

function redirectMap(fd: number, key: number, flags: number): ProgramSource {
  const code = [loadMapFd(R1, fd), mov(R2, key), mov(R3, flags), call(BPF_FUNC.redirect_map), exit()]
  return { ...xdpPass(), name: 'redirect_map', code }
}

function sendLive({ host, nic }: Scene, source: ProgramSource): void {
  const [frame, ingress] = [probeFrame(nic.getLink().address, 64), nic.getLink().index]
  const send = (program: number) => runLiveFrames({ program, frame, count: FRAMES, netns: host, ingress })
  real(withDescriptor(loadProgram(source), send))
}

/** A CPUMAP whose only CPU has a queue for one frame. */
function cpumapOfOne(): BpfMap {
  const CPUMAP = 16
  const attr = new BpfAttr(16).u32(0, CPUMAP).u32(4, 4).u32(8, 4).u32(12, 1)
  const map = { type: 'HASH', name: 'cpus', keySize: 4, valueSize: 4, maxEntries: 1 } as const
  const cpumap = { ...map, fd: real(bpf('BPF_MAP_CREATE', attr)) }
  real(updateElement(cpumap, new Uint8Array(4), new Uint8Array(Uint32Array.of(1).buffer)))
  return cpumap
}
