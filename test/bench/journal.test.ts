import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { type Entry, Journal, leftovers } from '../../bench/redirect/journal.ts'
import { EXTENSION, LOADER } from '../tools/this-run.ts'

let parent: string
let folder: string
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'veth-nl-journal-'))
  folder = join(parent, 'journals')
})
afterEach(() => rmSync(parent, { recursive: true }))

const NETNS = readlinkSync('/proc/self/ns/net')
const GRO: Entry = { end: 'peer', name: 'veth0', index: 7, feature: 'gro', was: false }
const LRO: Entry = { end: 'device', name: 'eth1', index: 3, feature: 'lro', was: true }

/** What a process leaves that notes two entries and is killed, at the end or at the call of this name of node:fs. */
function killed(at = ''): void {
  const source = new URL(`../../bench/redirect/journal${EXTENSION}`, import.meta.url)
  const script = `
    import fs from 'node:fs'
    import { syncBuiltinESMExports } from 'node:module'
    const { Journal } = await import('${source}')
    const journal = new Journal('${folder}')
    const [first, second] = ${JSON.stringify([GRO, LRO])}
    const kill = () => process.kill(process.pid, 'SIGKILL')
    journal.note(first)
    if ('${at}' !== '') fs['${at}'] = kill
    syncBuiltinESMExports()
    journal.note(second)
    kill()
    await new Promise(resolve => setTimeout(resolve, 1000))`
  const { signal, stderr } = spawnSync(process.execPath, [...LOADER, '--input-type=module', '-e', script])
  assert.equal(signal, 'SIGKILL', `${stderr}`)
}

describe('a journal', () => {
  it('of a process that was killed is left, the last entry first, until it is forgotten', () => {
    killed()
    const [left, ...others] = leftovers(folder)
    assert.deepEqual(others, [])
    assert.deepEqual(left!.entries, [LRO, GRO])
    left!.close()
    assert.equal(existsSync(folder), false)
  })

  it('of a process that runs is its own matter', () => {
    const journal = new Journal(folder)
    journal.note(GRO)
    journal.note(LRO)
    assert.deepEqual(journal.entries, [LRO, GRO])
    assert.deepEqual(leftovers(folder), [])
    killed()
    assert.equal(leftovers(folder).length, 1)
    journal.close()
    leftovers(folder)[0]!.close()
    assert.deepEqual(readdirSync(parent), [])
    journal.close()
  })

  it('is not there where nothing was noted', () => {
    new Journal(folder).close()
    assert.deepEqual(leftovers(folder), [])
    assert.deepEqual(readdirSync(parent), [])
  })

  it('of a process that is killed while it notes something has what it noted before', () => {
    for (const call of ['writeSync', 'fsyncSync', 'renameSync']) {
      killed(call)
      assert.equal(readdirSync(folder).length, 2, 'the journal, and what was to take its place')
      const [left, ...others] = leftovers(folder)
      assert.deepEqual(others, [])
      assert.deepEqual(left!.entries, [GRO], call)
      left!.close()
      assert.equal(existsSync(folder), false, call)
    }
  })

  it('that another process is writing is left to it, but not for ever', () => {
    mkdirSync(folder)
    const part = join(folder, `7-7.json.${process.pid}.part`)
    writeFileSync(part, '{')
    assert.deepEqual(leftovers(folder), [])
    assert.ok(existsSync(part))
    utimesSync(part, 0, 0)
    assert.deepEqual(leftovers(folder), [])
    assert.equal(existsSync(folder), false)
  })

  it('keeps what could not be put back', () => {
    killed()
    leftovers(folder)[0]!.close([GRO])
    const [left] = leftovers(folder)
    assert.deepEqual(left!.entries, [GRO])
    const journal = new Journal(folder)
    journal.note(GRO)
    journal.note(LRO)
    journal.close([LRO])
    assert.deepEqual(journal.entries, [LRO])
    assert.equal(readdirSync(folder).length, 2)
    journal.close()
    left!.close()
    assert.equal(existsSync(folder), false)
  })

  it('of a process whose number another one has now is left, and not written over', () => {
    mkdirSync(folder)
    const content = { process: '1', netns: NETNS, entries: [GRO] }
    writeFileSync(join(folder, `${process.pid}-1.json`), JSON.stringify(content))
    const journal = new Journal(folder)
    journal.note(LRO)
    const [left, ...others] = leftovers(folder)
    assert.deepEqual([left!.entries, others], [[GRO], []])
    journal.close()
  })

  it('of another network namespace is left to a run there', () => {
    mkdirSync(folder)
    const elsewhere = JSON.stringify({ process: '1', netns: 'net:[1]', entries: [GRO] })
    writeFileSync(join(folder, '1-1.json'), elsewhere)
    assert.deepEqual(leftovers(folder), [])
    assert.deepEqual(readdirSync(folder), ['1-1.json'])
  })

  it('that says something else tells which field, and one that is empty that it is', () => {
    mkdirSync(folder)
    const wrong = { process: '1', netns: NETNS, entries: [{ ...GRO, end: 'middle' }] }
    writeFileSync(join(folder, '2147483646-1.json'), JSON.stringify(wrong))
    writeFileSync(join(folder, '2147483647-1.json'), '')
    const [first, second] = leftovers(folder)
    assert.match(first!.damage!.message, /^entries\[0\]\.end: /)
    assert.match(second!.damage!.message, /end of JSON input/)
    for (const left of [first, second]) left!.close()
    assert.equal(readdirSync(folder).length, 2, 'nobody knows what they stand for')
  })
})
