import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { it } from 'node:test'
import { leftOf } from '../../bench/redirect/turns.ts'
import { LOADER } from '../tools/this-run.ts'

it('progress goes to stderr, a line per quarter where that is no terminal', () => {
  const turns = new URL('../../bench/redirect/turns.ts', import.meta.url)
  const script = `
    import { watchTurns } from '${turns}'
    const watch = watchTurns(8)
    for (let turn = 0; turn < 8; turn++) {
      watch({ turn, repeat: 0, case: { mode: 'native', peer: 'gro', size: 64, via: 'devmap', cores: 2 } })
    }
    watch()`
  const { stdout, stderr } = spawnSync(process.execPath, [...LOADER, '--input-type=module', '-e', script], {
    encoding: 'utf8',
  })
  assert.equal(stdout, '')
  const lines = stderr.trim().split('\n')
  assert.deepEqual(
    lines.map(line => line.split(';')[0]),
    ['2 of 8 runs', '4 of 8 runs', '6 of 8 runs', '8 of 8 runs'],
  )
  assert.match(lines[0]!, /; about \d+ s left: native, GRO at peer, 64 bytes, devmap, 2 cores$/)
})

it('says what is left in seconds, then in minutes', () => {
  assert.equal(leftOf(1, 1, 2), 'about 1 s left')
  assert.equal(leftOf(1000, 1, 100), 'about 99 s left')
  assert.equal(leftOf(1000, 1, 101), 'about 2 min left')
  assert.equal(leftOf(60_000, 10, 110), 'about 10 min left')
})
