import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { closeDescriptor, withDescriptor } from '../../src/bpf/descriptor.ts'
import { BPF_FUNC } from '../../src/bpf/helper.ts'
import { mov, R3 } from '../../src/bpf/instruction.ts'
import { loadProgram, type ProgramSource } from '../../src/bpf/program.ts'
import { xdpRedirectType } from '../../src/bpf/programs.ts'
import { closeRedirectCounter, openRedirectCounter } from '../../src/bpf/redirect-counter.ts'
import { createRedirectDevmap, type RedirectDevmap } from '../../src/bpf/redirect-devmap.ts'
import { createVethPair, type Device } from '../../src/sync.ts'
import { getVethPair } from '../../src/veth/peer.ts'
import { ETH_P_EXPERIMENTAL, probeFrame } from '../../src/veth/probe-frame.ts'
import { withProgramBehindWire } from '../../src/veth/probe-pair.ts'
import { type Landing, sendThrough } from '../../src/veth/probe-send.ts'
import type { Operation } from '../../src/wire/operation.ts'
import { kernelHas } from '../tools/kernel-needs.ts'
import { needsRoot, ownNetns } from '../tools/netns.ts'
import { real } from '../tools/real.ts'

/** A broadcast by devmap passes over targets that would refuse a frame: silence, where a redirect has an errno. */

const BPF_F_BROADCAST = 1 << 3
const FRAMES = 16

interface Pair {
  readonly T: Device
  readonly P: Device
}

const skip = needsRoot || (kernelHas(5, 13) ? false : 'needs broadcasts by devmap, Linux 5.13')

/** What was done to a fresh pair; each is judged in both modes and sent in both. */
const SCENES: readonly (readonly [name: string, prepare: (pair: Pair) => void])[] = [
  ['nothing', () => {}],
  ['P gro on', ({ P }) => P.setFeature('gro', true)],
  ['P gro on, T down', ({ T, P }) => void [P.setFeature('gro', true), T.down()]],
  ['P gro on, P down', ({ P }) => void [P.setFeature('gro', true), P.down()]],
  ['P gro on, T mtu 100', ({ T, P }) => void [P.setFeature('gro', true), T.setMtu(100)]],
  ['P gro on, P mtu 100', ({ T, P }) => void [P.setFeature('gro', true), T.setMtu(1500), P.setMtu(100)]],
]

for (const mode of ['native', 'generic'] as const) {
  for (const [name, prepare] of SCENES) {
    test(`${mode}: after '${name}' a broadcast ends as the verdict says`, { skip }, t => {
      const pair = pairIn(t)
      prepare(pair)
      const frameSize = 200
      const { delivers, code, where, summary } = pair.T.explainRedirect({ via: 'broadcast', mode, frameSize })
      const { sent, arrived, accepted, outcomes } = real(broadcast(pair.T, mode, frameSize))
      assert.equal(sent, FRAMES)
      assert.equal(Math.min(arrived, accepted), delivers ? FRAMES : 0, summary)
      const told = outcomes.filter(({ errno, refused }) => errno !== 0 && refused > 0)
      assert.deepEqual(
        told.map(outcome => [outcome.tracepoint, outcome.code]),
        code === null ? [] : [[where?.tracepoint, code]],
        summary,
      )
    })
  }
}

function pairIn(t: TestContext): Pair {
  const quiet = { up: true, addrGenMode: 'none' } as const
  const [T, P] = createVethPair({
    name: 'T',
    netns: ownNetns(t),
    ...quiet,
    peer: { name: 'P', netns: ownNetns(t), ...quiet },
  })
  return { T, P }
}

function* broadcast(target: Device, mode: 'native' | 'generic', size: number): Operation<Landing> {
  const pair = yield* getVethPair({ netns: target.netns, device: target.name! })
  const devmap = yield* createRedirectDevmap(pair.target.link.index, target.netns)
  const counter = yield* openRedirectCounter(devmap)
  try {
    const frame = probeFrame(pair.peer.link.address, size)
    const probe = { ...pair, mode, frames: FRAMES, frame, devmap, counter }
    return yield* withDescriptor(loadProgram(broadcastTo(devmap)), program =>
      withProgramBehindWire(program, mode, size, wire => sendThrough(probe, wire)),
    )
  } finally {
    yield* closeRedirectCounter(counter)
    yield* closeDescriptor(devmap.fd)
  }
}

/** All frames of the probe's type, and no others. */
function broadcastTo(devmap: RedirectDevmap): ProgramSource {
  const toOne = xdpRedirectType(ETH_P_EXPERIMENTAL, devmap, false)
  const call = toOne.code.findIndex(line => 'imm' in line && line.imm === BPF_FUNC.redirect_map)
  const code = [...toOne.code.slice(0, call), mov(R3, BPF_F_BROADCAST), ...toOne.code.slice(call)]
  return { ...toOne, name: 'broadcast', code }
}
