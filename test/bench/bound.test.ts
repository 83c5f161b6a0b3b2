import assert from 'node:assert/strict'
import { test } from 'node:test'
import { boundsOf, lineOf } from '../../bench/redirect/bound.ts'
import type { Results } from '../../bench/redirect/results.ts'
import type { Sample } from '../../bench/redirect/sample.ts'
import { madeResults } from './made.ts'

/** The made results, in which a C program was so much faster, run by run, than ours. */
function besideC(faster: readonly number[]): Results {
  const made = madeResults({ quick: true })
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

test('without the C program there is no bound', () => {
  assert.deepEqual(holds(madeResults({ quick: true })), [])
})
