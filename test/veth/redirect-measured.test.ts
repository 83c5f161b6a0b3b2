import assert from 'node:assert/strict'
import { release } from 'node:os'
import { type TestContext, test } from 'node:test'
import { type ChannelCounts, createVethPair, type Device, xdpPass } from '../../src/sync.ts'
import { kernelHas } from '../tools/kernel-needs.ts'
import { needsRoot, ownNetns } from '../tools/netns.ts'

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
  'P tx queues 2': ({ P }: Pair) => setQueues(P, { tx: 2 }),
  'T gro on': ({ T }: Pair) => T.setFeature('gro', true),
  'T down': ({ T }: Pair) => T.down(),
  'T up': ({ T }: Pair) => T.up(),
  'T rx queues 1': ({ T }: Pair) => setQueues(T, { rx: 1 }),
} as const

/** On 5.10 a veth's queues cannot be set; that was so when it was measured, too. */
function setQueues(end: Device, counts: ChannelCounts): void {
  try {
    end.setChannels(counts)
  } catch (error) {
    if (kernelHas(5, 15)) throw error
    assert.equal((error as { code?: string }).code, 'EOPNOTSUPP')
  }
}

/** The tracepoint that had the errno, in every one of these cases. */
const TRACEPOINT: Readonly<Record<string, string>> = {
  ENXIO: 'xdp:xdp_devmap_xmit',
  EOPNOTSUPP: 'xdp:xdp_redirect_err',
  ENETDOWN: 'xdp:xdp_redirect_err',
}

/** Which of the five columns the running kernel must be like, or null where it may be like either of two that differ. */
function column(outcomes: readonly string[]): string | null {
  if (!kernelHas(5, 13)) return outcomes[0]!
  if (!kernelHas(6, 3)) return outcomes[1]!
  const mended = recomputesBoth()
  if (mended === null) return outcomes[3] === outcomes[4] ? outcomes[4]! : null
  return mended ? outcomes[4]! : outcomes[3]!
}

/**
 * Whether veth_open() recomputes the bits of both ends: commit 3f090039995f, in 7.3, stable 7.2.11 and 6.12.113. Of
 * later releases of other series it is not known.
 */
function recomputesBoth(): boolean | null {
  const [major = 0, minor = 0, patch = 0] = release().split(/[.+-]/).map(Number)
  if (kernelHas(7, 3)) return true
  if (major === 7 && minor === 2) return patch >= 11
  if (major === 6 && minor === 12) return patch >= 113
  return major === 6 && minor === 18 && patch <= 44 ? false : null
}

function pairAfter(t: TestContext, steps: readonly Step[]): Pair {
  const queues = { rxQueues: 2, txQueues: 2, up: true }
  const [T, P] = createVethPair({ name: 'T', netns: ownNetns(t), ...queues, peer: { name: 'P', ...queues } })
  for (const step of steps) STEPS[step]({ T, P })
  return { T, P }
}

for (const [steps, outcomes] of MEASURED) {
  test(`the verdict after '${steps.join(', ')}' is what was measured`, { skip: needsRoot }, t => {
    const { T } = pairAfter(t, steps)
    const { delivers, code, where, summary } = T.explainRedirect()
    const expected = column(outcomes)
    if (expected === null) return t.skip(`not measured on ${release()}`)
    assert.equal(delivers ? 'arrives' : code, expected, summary)
    assert.equal(where?.tracepoint ?? null, TRACEPOINT[expected] ?? null)
  })

  test(`frames sent after '${steps.join(', ')}' do as the verdict says`, { skip: needsRoot }, t => {
    const { T } = pairAfter(t, steps)
    const { delivers, code, where } = T.explainRedirect()
    const probe = T.probeRedirect({ frames: 64 })
    assert.deepEqual([probe.delivered, probe.code], delivers ? [64, null] : [0, code])
    assert.equal(probe.where, where?.tracepoint ?? null)
  })
}
