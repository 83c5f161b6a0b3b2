import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { inOrder } from './initramfs.ts'
import { machineOf, testsFor } from './machines.ts'
import { nicWords } from './nics.ts'
import { isGood, type Outcome, OutcomeLines, skipReasons } from './outcomes.ts'
import type { Packages } from './packages.ts'
import { isNewEnough, unpackedQemu } from './qemu.ts'
import { isOfSeries, newestOf, releaseOf } from './series.ts'

describe('a kernel package', () => {
  test('is of a release, where it is a plain kernel', () => {
    assert.equal(releaseOf('linux-image-6.1.0-50-amd64'), '6.1.0-50-amd64')
    assert.equal(releaseOf('linux-image-6.12.90+deb12.1-amd64'), '6.12.90+deb12.1-amd64')
    for (const other of [
      'amd64',
      '6.1.0-50-cloud-amd64',
      '6.1.0-50-rt-amd64',
      '6.1.0-50-amd64-unsigned',
      '6.1.0-50-amd64-dbg',
    ])
      assert.equal(releaseOf(`linux-image-${other}`), null)
  })

  test('is the newest by its numbers, not by its letters', () => {
    const releases = [
      '6.12.9+deb13-amd64',
      '6.12.117+deb13-amd64',
      '6.12.117+deb12-amd64',
      '6.1.0-9-amd64',
      '6.1.0-50-amd64',
    ]
    assert.equal(newestOf(releases, '6.12'), '6.12.117+deb13-amd64')
    assert.equal(newestOf(releases, '6.1'), '6.1.0-50-amd64')
    assert.equal(newestOf(releases, '6'), '6.12.117+deb13-amd64')
    assert.equal(newestOf(releases, '7'), undefined)
    assert.equal(newestOf(['6.12.90+deb12-amd64', '6.12.90+deb12.1-amd64'], '6.12'), '6.12.90+deb12.1-amd64')
  })

  test('is of the series that its release begins with, number by number', () => {
    assert.ok(isOfSeries('6.1.0-50-amd64', '6.1'))
    assert.ok(!isOfSeries('6.12.1-amd64', '6.1'))
    assert.ok(isOfSeries('7.3.4+deb13-amd64', '7'))
  })
})

describe('a machine', () => {
  const boot = { release: '6.12.1-amd64', kernel: 'vmlinuz', initramfs: 'initramfs' }
  const qemu = { command: 'qemu-system-x86_64', words: [], env: {} }
  const machine = { name: '6.12.1-amd64 igb', boot, nics: 'igb', qemu, cpus: 2 } as const

  test('is called by a series and a kind of NIC that there is', () => {
    for (const name of ['6.12/e1000', '6.12/', '6.12/igb/igb'])
      assert.throws(
        () => machineOf(name, 2, {} as Packages, ''),
        /a machine is called like 6.12 or 6.12\/igb, not /,
      )
  })

  test("with a vendor's NICs runs the tests of NICs only", () => {
    const files = ['test/bench/nics.test.ts', 'test/bench/nic-scene.test.ts', 'test/veth/tx.test.ts']
    assert.deepEqual(testsFor(machine, files), ['test/bench/nics.test.ts'])
    assert.deepEqual(testsFor({ ...machine, nics: 'virtio' }, files), files)
    assert.deepEqual(testsFor(undefined, files), files)
  })

  test('has two NICs on one wire', () => {
    for (const kind of ['virtio', 'igb'] as const) {
      const words = nicWords(kind).join(' ')
      assert.equal(words.match(/hubport,id=eth[01],hubid=0/g)!.length, 2)
      assert.equal(words.match(/netdev=eth[01]/g)!.length, 2)
    }
  })

  test('is emulated by a QEMU that has igb', () => {
    const printing = (text: string) => ({ command: 'echo', words: [`QEMU emulator ${text}`], env: {} })
    for (const version of ['8.0.0', '8.10', '10.0.2 (Debian 1:10.0.2)'])
      assert.equal(isNewEnough(printing(`version ${version}`)), true, version)
    for (const version of ['7.2.22 (Debian 1:7.2)', '7.10', ''])
      assert.equal(isNewEnough(printing(`version ${version}`)), false, version)
    assert.equal(isNewEnough(unpackedQemu('/nowhere')), false)
  })
})

test('modules are loaded once, each after what it needs', () => {
  const listings = [
    'insmod /m/net.ko.xz \ninsmod /m/9p.ko.xz \n',
    'builtin overlay\n',
    'insmod /m/net.ko.xz \ninsmod /m/x.ko.xz a=1\n',
  ]
  assert.deepEqual(inOrder(listings), ['/m/net.ko.xz', '/m/9p.ko.xz', '/m/x.ko.xz'])
})

describe('what a machine reports', () => {
  const outcome = (change: Partial<Outcome>): Outcome => ({
    file: 'test/a.test.js',
    name: ['a', 'ü'],
    outcome: 'passed',
    why: '',
    milliseconds: 1,
    ...change,
  })

  test('is read line by line, however it comes', () => {
    const all = [outcome({}), outcome({ outcome: 'skipped', why: 'needs root' })]
    const text = all.map(one => `${JSON.stringify(one)}\n`).join('')
    const lines = new OutcomeLines()
    assert.deepEqual(lines.add(text.slice(0, 20)), [])
    assert.deepEqual(lines.add(text.slice(20, -1)), [all[0]])
    assert.deepEqual(lines.add(text.slice(-1)), [all[1]])
    assert.deepEqual(lines.outcomes, all)
  })

  test('is good when tests ran, none failed, and the run was whole', () => {
    const result = { release: '6.1', seconds: 1, tests: [outcome({})], failure: null, capabilities: null }
    assert.ok(isGood(result))
    assert.ok(!isGood({ ...result, tests: [] }))
    assert.ok(!isGood({ ...result, failure: 'not done after 900 s' }))
    assert.ok(!isGood({ ...result, tests: [outcome({}), outcome({ outcome: 'failed' })] }))
  })

  test('has its reasons counted, the most frequent first', () => {
    const tests = ['b', 'a', 'a'].map(why => outcome({ outcome: 'skipped', why }))
    assert.deepEqual(skipReasons([outcome({}), ...tests]), [
      ['a', 2],
      ['b', 1],
    ])
  })
})
