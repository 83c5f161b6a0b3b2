import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commandLine } from '../../bench/redirect/command-line.ts'

const of = (...words: string[]) => commandLine(words)

test('without words: private namespaces, five repeats', () => {
  const { machine, repeats, quick, generator, only } = of()
  assert.deepEqual(
    { machine, repeats, quick, generator, only },
    {
      machine: null,
      repeats: 5,
      quick: false,
      generator: null,
      only: [],
    },
  )
})

test('devices of this machine', () => {
  const two = ['--nic', 'eth1', '--target', 'veth0']
  assert.deepEqual(of(...two, '--from', 'eth0').machine, { nic: 'eth1', target: 'veth0', from: 'eth0' })
  assert.deepEqual(of(...two, '--traffic', 'external').machine, { nic: 'eth1', target: 'veth0', from: null })
  assert.throws(() => of('--nic', 'eth1', '--from', 'eth0'), /both --nic and --target/)
  assert.throws(() => of('--from', 'eth0'), /both --nic and --target/)
  assert.throws(() => of(...two), /say who sends/)
  assert.throws(() => of(...two, '--from', 'eth0', '--traffic', 'external'), /say who sends/)
  assert.throws(() => of(...two, '--traffic', 'mine'), /'external', not 'mine'/)
})

test('pktgen has settings of its own', () => {
  assert.deepEqual(of('--pktgen', 'flows=64  delay=1000 queues=1,0').pktgen, {
    flows: 64,
    delay: 1000,
    queues: [1, 0],
  })
  assert.deepEqual(of().pktgen, {})
  assert.equal(of('--pktgen', 'flows=64').generator, 'pktgen')
  assert.equal(of('--pktgen', 'flows=64', '--generator', 'pktgen').generator, 'pktgen')
  assert.throws(() => of('--pktgen', 'flow=64'), /pktgen takes flows=N .* not 'flow=64'/)
  assert.throws(() => of('--pktgen', 'flows=1,2'), /not 'flows=1,2'/)
  assert.throws(() => of('--pktgen', 'burst=0'), /pktgen's burst is a whole number from 1 on, not 0/)
})

test('what nobody would take notice of is refused', () => {
  const external = ['--nic', 'eth1', '--target', 'veth0', '--traffic', 'external']
  const another = /^TypeError: with --traffic external another machine sends/
  assert.throws(() => of(...external, '--generator', 'pktgen'), another)
  assert.throws(() => of(...external, '--pktgen', 'flows=64'), another)
  const not = /^TypeError: --pktgen is of pktgen, not of --generator live-frames/
  assert.throws(() => of('--generator', 'live-frames', '--pktgen', 'flows=64'), not)
})

test('what means nothing is refused in words', () => {
  assert.throws(() => of('--generator', 'ping'), /one of pktgen, live-frames, af-packet, not 'ping'/)
  assert.throws(() => of('--repeats', '0'), /--repeats takes a number, not '0'/)
  assert.throws(() => of('--frames', '3'), /--frames/)
  assert.throws(() => of('eth0'), /eth0/)
})
