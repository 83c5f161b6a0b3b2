import type { TestContext } from 'node:test'
import { BpfAttr, bpf } from '../../src/bpf/command.ts'
import { BPF_FUNC } from '../../src/bpf/helper.ts'
import { call, exit, loadMapFd, mov, R0, R1, R2, R3 } from '../../src/bpf/instruction.ts'
import { type BpfMap, updateElement } from '../../src/bpf/map.ts'
import type { ProgramSource } from '../../src/bpf/program.ts'
import { xdpRedirectType } from '../../src/bpf/programs.ts'
import { createRedirectDevmap } from '../../src/bpf/redirect-devmap.ts'
import { type TracedRedirect, xdpPass, xdpRedirect } from '../../src/sync.ts'
import { ETH_P_EXPERIMENTAL } from '../../src/veth/probe-frame.ts'
import { ask } from '../../src/wire/operation.ts'
import { kernelHas } from '../tools/kernel-needs.ts'
import { real } from '../tools/real.ts'
import type { Scene } from './traced.ts'

const XDP_TX = 3
const BPF_F_BROADCAST = 1 << 3

/** How frames that nic redirects end. */
export interface Ending {
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

export const ENDINGS: readonly Ending[] = [
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
    // Live frames come with 5.18. An emulated 6.1 stood still after this.
    since: [6, 2],
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

function redirectMap(fd: number, key: number, flags: number): ProgramSource {
  const code = [loadMapFd(R1, fd), mov(R2, key), mov(R3, flags), call(BPF_FUNC.redirect_map), exit()]
  return { ...xdpPass(), name: 'redirect_map', code }
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
