import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
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

/** What a process leaves that notes two entries and is killed. */
function killed(): void {
  const source = new URL(`../../bench/redirect/journal${EXTENSION}`, import.meta.url)
  const script = `
    const { Journal } = await import('${source}')
    const journal = new Journal('${folder}')
    for (const entry of ${JSON.stringify([GRO, LRO])}) journal.note(entry)
    process.kill(process.pid, 'SIGKILL')
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
    left!.forget()
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
    leftovers(folder)[0]!.forget()
    assert.deepEqual(readdirSync(parent), [])
    journal.close()
  })

  it('is not there where nothing was noted', () => {
    new Journal(folder).close()
    assert.deepEqual(leftovers(folder), [])
    assert.deepEqual(readdirSync(parent), [])
  })

  it('of a process whose number another one has now is left', () => {
    mkdirSync(folder)
    writeFileSync(
      join(folder, `${process.pid}.json`),
      JSON.stringify({ process: 'of another time', netns: NETNS, entries: [GRO] }),
    )
    assert.deepEqual(leftovers(folder)[0]!.entries, [GRO])
  })

  it('of another network namespace is left to a run there', () => {
    mkdirSync(folder)
    const elsewhere = JSON.stringify({ process: 'of another time', netns: 'net:[1]', entries: [GRO] })
    writeFileSync(join(folder, '1.json'), elsewhere)
    assert.deepEqual(leftovers(folder), [])
    assert.deepEqual(readdirSync(folder), ['1.json'])
  })

  it('that says something else is an error that names the field', () => {
    mkdirSync(folder)
    const wrong = { ...GRO, end: 'middle' }
    writeFileSync(
      join(folder, '2147483647.json'),
      JSON.stringify({ process: '1', netns: NETNS, entries: [wrong] }),
    )
    assert.throws(() => leftovers(folder), /2147483647\.json\.entries\[0\]\.end: /)
  })
})
