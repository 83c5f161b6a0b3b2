import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { BOUNDED } from '../../bench/redirect/ceiling.ts'
import { RUN_TO_RUN } from '../../bench/redirect/estimate.ts'
import { LEAST_REPEATS, MOST_DRIFT, MOST_UNCERTAIN } from '../../bench/redirect/summary.ts'
import { madeResults } from './made.ts'

const page = readFileSync(new URL('../../docs/bench.md', import.meta.url), 'utf8')

function* fieldsOf(value: unknown): Generator<string> {
  if (typeof value !== 'object' || value === null) return
  for (const [name, each] of Object.entries(value)) {
    if (!Array.isArray(value)) yield name
    if (name !== 'mitigations') yield* fieldsOf(each)
  }
}

describe('docs/bench.md', () => {
  it('explains every field of results.json', () => {
    const [, section = ''] = page.split('## results.json')
    const traced = [{ tracepoint: 'xdp:xdp_redirect_err', code: null, frames: 1 }]
    const { cases, schema, version, settings, ...rest } = madeResults({ quick: true })
    const pktgen = { flows: 1, delay: 0, queues: [0], clones: 0, burst: 1 }
    const names = new Set(
      fieldsOf({
        ...rest,
        settings: { ...settings, pktgen },
        cases: cases.map(each => ({ ...each, traced })),
      }),
    )
    assert.ok(names.size > 40)
    for (const name of names) assert.match(section, new RegExp(`[\`.]${name}[\`.\\[]`), name)
    assert.ok(section.includes(`"schema": "${schema}"\`, \`"version": ${version}\``))
  })

  it('states the bounds that hold', () => {
    const words = page.replace(/\s+/g, ' ')
    for (const [value, text] of [
      [RUN_TO_RUN === 0.03, 'widened by 3 %'],
      [MOST_UNCERTAIN === 0.15, 'more than ± 15 %'],
      [MOST_DRIFT === 0.05, 'more than 5 % from the first repeat'],
      [LEAST_REPEATS === 5, 'fewer than five repeats'],
      [BOUNDED === 0.95, 'A redirect at 95 %'],
    ] as const) {
      assert.ok(value && words.includes(text), text)
    }
  })
})
