import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { cpusAllowed } from '../../bench/redirect/cpus.ts'

test('CPUs that may be used are those that are online, the last first', t => {
  const root = mkdtempSync(join(tmpdir(), 'veth-nl-cpus-'))
  t.after(() => rmSync(root, { recursive: true }))
  const write = (file: string, content: string) => {
    mkdirSync(dirname(join(root, file)), { recursive: true })
    writeFileSync(join(root, file), content)
  }
  write('proc/self/status', 'Cpus_allowed:\tff\nCpus_allowed_list:\t0-5,8,64-127\nMems_allowed:\t1\n')
  assert.deepEqual(cpusAllowed(root).slice(-7), [8, 5, 4, 3, 2, 1, 0], 'of a kernel that does not tell')
  // SMT is off, and there is room for more.
  write('sys/devices/system/cpu/online', '0,2,4,6,8\n')
  assert.deepEqual(cpusAllowed(root), [8, 4, 2, 0])
})

test('of this machine there are some', () => {
  const cpus = cpusAllowed()
  assert.ok(cpus.length > 0)
  assert.equal(new Set(cpus).size, cpus.length)
})
