import assert from 'node:assert/strict'
import { test } from 'node:test'
import { boundsOf, lineOf } from '../../bench/redirect/bound.ts'
import type { Results } from '../../bench/redirect/results.ts'
import type { Sample } from '../../bench/redirect/sample.ts'
import { madeResults } from './made.ts'

/** The made results, in which a C program was so much faster, run by run, than ours. */
function besideC(faster: readonly number[], repeats = 5): Results {
  const made = madeResults({ quick: true, repeats })
  const theirs = (runs: readonly Sample[]) =>
    runs.map((run, at) => ({ ...run, nanoseconds: run.nanoseconds / faster[at % faster.length]! }))
  const gro = made.cases.find(({ case: each }) => each.mode === 'native' && each.peer === 'gro')!
  const [ceiling] = made.ceilings
  const by = 'C with libbpf'
  return {
    ...made,
    ceilings: [ceiling!, { ...ceiling!, by, runs: theirs(ceiling!.runs) }],
    references: [
      { by, case: gro.case, runs: theirs(gro.runs) },
      { by: 'xdp-bench', case: gro.case, runs: theirs(gro.runs) },
    ],
  }
}

const holds = (results: Results) => boundsOf(results).map(bound => bound.holds)

test('the generator and the redirect are each held against the C program', () => {
  const [generator, redirect, ...others] = boundsOf(besideC([1.03]))
  assert.deepEqual(others, [])
  assert.match(lineOf(generator!), /^live frames alone: 0\.97 × .* C with libbpf, at least 0\.95 ×: holds$/)
  assert.match(lineOf(redirect!), /^native, GRO at peer, 64 bytes, bpf_redirect, 1 core: 0\.97 × .*: holds$/)
})

test('a bound that is missed by more than the uncertainty does not hold', () => {
  assert.deepEqual(holds(besideC([1.03])), [true, true])
  assert.deepEqual(holds(besideC([1.06])), [null, null])
  assert.deepEqual(holds(besideC([1.12])), [false, false])
  assert.match(lineOf(boundsOf(besideC([1.12]))[0]!), /0\.89 × .*: DOES NOT HOLD$/)
})

test('a ratio that spreads beyond the bound tells nothing, however high its median; one beyond the bound does', () => {
  assert.deepEqual(holds(besideC([0.9, 1.5, 0.9, 0.8, 0.9])), [null, null])
  assert.deepEqual(holds(besideC([0.9, 0.6, 0.5, 0.8, 0.7])), [true, true])
  assert.deepEqual(holds(besideC([1.2, 1.6, 1.5, 1.8, 1.3])), [false, false])
})

test('four repeats tell nothing', () => {
  for (const faster of [0.9, 1.12]) {
    const bounds = boundsOf(besideC([faster], 4))
    assert.deepEqual(
      bounds.map(bound => bound.holds),
      [null, null],
    )
    assert.match(lineOf(bounds[0]!), /: TOO UNCERTAIN TO TELL$/)
  }
})

test('without the C program there is no bound', () => {
  assert.deepEqual(holds(madeResults({ quick: true })), [])
})
