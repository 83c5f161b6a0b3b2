import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { listLinks } from '../../src/sync.ts'
import { testUnprivileged } from '../api/again.ts'
import { needsLiveFrames } from '../tools/kernel-needs.ts'
import { needsRoot } from '../tools/netns.ts'
import { EXTENSION, LOADER, needsNoKernel } from '../tools/this-run.ts'

const checkout = new URL('../..', import.meta.url).pathname
const demo = [...LOADER, `src/cli/demo${EXTENSION}`]

function run(...args: string[]) {
  return spawnSync(process.execPath, [...demo, ...args], { cwd: checkout, encoding: 'utf8' })
}

/** What a demo could leave behind outside its own namespaces. */
function surroundings() {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  return {
    links: listLinks().map(({ name }) => name),
    namespaces: mounts.filter(line => line.includes(' nsfs ')),
  }
}

describe('npm run demo', { skip: needsRoot || needsLiveFrames }, () => {
  it('finds what it predicted: nothing before the repair, everything after it and in generic mode', () => {
    const { status, stdout, stderr } = run('--json')
    assert.equal(status, 0, stderr)
    const { ok, kernel, before, repair, after, generic } = JSON.parse(stdout)
    assert.equal(ok, true)
    assert.equal(kernel, readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim())
    assert.equal(before.delivered, 0)
    assert.ok(before.sent > 0)
    assert.equal(before.code, before.verdict.code)
    assert.match(repair.command, / ethtool -K eth0 gro on$/)
    assert.deepEqual(repair.changed, ['rx-gro'])
    assert.equal(after.delivered, after.sent)
    assert.equal(after.code, null)
    assert.equal(generic.delivered, generic.sent)
  })

  it('tells people the same in words', { skip: needsNoKernel }, () => {
    const { status, stdout } = run()
    assert.equal(status, 0)
    assert.match(stdout, /eth0 in netns of\s+descriptor \d+ has no NAPI/)
    assert.match(stdout, /All as predicted\./)
  })

  for (const signal of ['SIGINT', 'SIGKILL'] as const) {
    it(`leaves nothing behind after ${signal}, whenever it comes`, async () => {
      const before = surroundings()
      for (const delay of [300, 600, 900, 1200]) {
        const child = spawn(process.execPath, demo, { cwd: checkout, stdio: 'ignore' })
        const ended = new Promise(resolve => child.once('exit', resolve))
        await setTimeout(delay)
        child.kill(signal)
        await ended
      }
      assert.deepEqual(surroundings(), before)
    })
  }
})

testUnprivileged('npm run demo says what it needs', () => {
  const { status, stderr } = run()
  assert.equal(status, 1)
  assert.match(stderr, /needs root: sudo npm run demo/)
})
