import assert from 'node:assert/strict'
import { release } from 'node:os'
import { type TestContext, test } from 'node:test'
import { createVethPair, type Device, xdpPass } from '../../src/sync.ts'
import { needsRoot, ownNetns } from '../tools/netns.ts'
import { kernelHas, needsLiveFrames } from './series.ts'

/**
 * What 64 frames did that a native-mode program redirected into T, measured on kernels of five series by tracing
 * and counting, without this library: 'arrives', or the errno under which all were lost.
 */
const MEASURED: readonly Measured[] = [
  // what was done to a fresh pair that is up     5.10         6.1          6.12          6.18          7.3
  [['nothing'], ['ENXIO', 'ENXIO', 'EOPNOTSUPP', 'EOPNOTSUPP', 'EOPNOTSUPP']],
  [['P gro on'], ['ENXIO', 'arrives', 'arrives', 'arrives', 'arrives']],
  [
    ['P gro on', 'P gro off'],
    ['ENXIO', 'ENXIO', 'EOPNOTSUPP', 'EOPNOTSUPP', 'EOPNOTSUPP'],
  ],
  [
    ['P down', 'P gro on', 'P up'],
    ['ENXIO', 'arrives', 'EOPNOTSUPP', 'EOPNOTSUPP', 'arrives'],
  ],
  [
    ['P down', 'P gro on', 'P up', 'P gro on'],
    ['ENXIO', 'arrives', 'EOPNOTSUPP', 'EOPNOTSUPP', 'arrives'],
  ],
  [
    ['P down', 'P gro on', 'P up', 'P gro on', 'P down', 'P up'],
    ['ENXIO', 'arrives', 'EOPNOTSUPP', 'EOPNOTSUPP', 'arrives'],
  ],
  [
    ['P down', 'P gro on', 'P up', 'P gro on', 'P down', 'P up', 'T down', 'T up'],
    ['ENXIO', 'arrives', 'arrives', 'arrives', 'arrives'],
  ],
  [
    ['P gro on', 'P down'],
    ['ENXIO', 'ENXIO', 'ENXIO', 'ENXIO', 'ENXIO'],
  ],
  [
    ['P gro on', 'T down'],
    ['ENETDOWN', 'ENETDOWN', 'ENETDOWN', 'ENETDOWN', 'ENETDOWN'],
  ],
  [['P native pass'], ['arrives', 'arrives', 'arrives', 'arrives', 'arrives']],
  [
    ['P native pass', 'P detach'],
    ['ENXIO', 'ENXIO', 'EOPNOTSUPP', 'EOPNOTSUPP', 'EOPNOTSUPP'],
  ],
  [['P generic pass'], ['ENXIO', 'ENXIO', 'EOPNOTSUPP', 'EOPNOTSUPP', 'EOPNOTSUPP']],
  [
    ['P down', 'P native pass', 'P up'],
    ['arrives', 'arrives', 'arrives', 'arrives', 'arrives'],
  ],
  [
    ['P gro on', 'T rx queues 1', 'P tx queues 2'],
    ['ENXIO', 'arrives', 'EOPNOTSUPP', 'EOPNOTSUPP', 'EOPNOTSUPP'],
  ],
  [['T gro on'], ['ENXIO', 'ENXIO', 'EOPNOTSUPP', 'EOPNOTSUPP', 'EOPNOTSUPP']],
  [
    ['P gro on', 'P mtu 100'],
    ['ENXIO', 'arrives', 'arrives', 'arrives', 'arrives'],
  ],
]

type Measured = readonly [steps: readonly Step[], outcomes: readonly string[]]
type Step = keyof typeof STEPS
type Pair = { T: Device; P: Device }

const STEPS = {
  nothing: () => {},
  'P gro on': ({ P }: Pair) => P.setFeature('gro', true),
  'P gro off': ({ P }: Pair) => P.setFeature('gro', false),
  'P down': ({ P }: Pair) => P.down(),
  'P up': ({ P }: Pair) => P.up(),
  'P native pass': ({ P }: Pair) => P.attachXdp(xdpPass()),
  'P generic pass': ({ P }: Pair) => P.attachXdp(xdpPass(), { mode: 'generic' }),
  'P detach': ({ P }: Pair) => P.attachXdp(xdpPass(), { replaces: P.getXdp().programs[0]!.id }).detach(),
  'P mtu 100': ({ P }: Pair) => P.setMtu(100),
  'P tx queues 2': ({ P }: Pair) => P.setChannels({ tx: 2 }),
  'T gro on': ({ T }: Pair) => T.setFeature('gro', true),
  'T down': ({ T }: Pair) => T.down(),
  'T up': ({ T }: Pair) => T.up(),
  'T rx queues 1': ({ T }: Pair) => T.setChannels({ rx: 1 }),
} as const

/** Which of the five columns the running kernel must be like, or null between two that differ. */
function column(outcomes: readonly string[]): string | null {
  if (!kernelHas(5, 13)) return outcomes[0]!
  if (!kernelHas(6, 3)) return outcomes[1]!
  if (!kernelHas(6, 19)) return outcomes[3]!
  return kernelHas(7, 3) || outcomes[3] === outcomes[4] ? outcomes[4]! : null
}

function pairAfter(t: TestContext, steps: readonly Step[]): Pair {
  const queues = { rxQueues: 2, txQueues: 2, up: true }
  const [T, P] = createVethPair({ name: 'T', netns: ownNetns(t), ...queues, peer: { name: 'P', ...queues } })
  for (const step of steps) STEPS[step]({ T, P })
  return { T, P }
}

for (const [steps, outcomes] of MEASURED) {
  const queueSteps = steps.some(step => step.includes('queues')) && !kernelHas(5, 17)
  const skip = needsRoot || (queueSteps ? 'needs channels of a veth to be set' : false)

  test(`the verdict after '${steps.join(', ')}' is what was measured`, { skip }, t => {
    const { T } = pairAfter(t, steps)
    const { delivers, code } = T.explainRedirect()
    const expected = column(outcomes)
    if (expected === null) return t.skip(`not measured on ${release()}`)
    assert.equal(delivers ? 'arrives' : code, expected)
  })

  test(`frames sent after '${steps.join(', ')}' do as the verdict says`, {
    skip: skip || needsLiveFrames,
  }, t => {
    const { T } = pairAfter(t, steps)
    const { delivers, code } = T.explainRedirect()
    const probe = T.probeRedirect({ frames: 64 })
    assert.deepEqual([probe.delivered, probe.code], delivers ? [64, null] : [0, code])
  })
}
