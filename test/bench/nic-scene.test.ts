import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { idOf } from '../../bench/redirect/matrix.ts'
import { checkResults } from '../../bench/redirect/results.ts'
import { createNetns, createVethPair, type Device, device, type NetnsHandle } from '../../src/index.ts'
import { needsCommands } from '../tools/commands.ts'
import { needsGroNapi } from '../tools/kernel-needs.ts'
import { execIn, needsRoot } from '../tools/netns.ts'
import { EXTENSION, LOADER } from '../tools/this-run.ts'
import { bench } from './machine-devices.ts'

/** gen0 ─────▶ nic0 ─ XDP redirect ─▶ veth0 ───▶ eth0: the first three in one namespace, as devices of a machine are. */
interface Machine {
  readonly netns: NetnsHandle
  readonly container: NetnsHandle
  readonly nic: Device
  readonly target: Device
  readonly peer: Device
}

async function machine(t: TestContext): Promise<Machine> {
  const [netns, container] = [await createNetns(), await createNetns()]
  // A container has a process, and by that its namespace is found.
  const inside = `--net=/proc/${process.pid}/fd/${container.fd}`
  const process1 = spawn('nsenter', [inside, 'setpriv', '--pdeathsig', 'KILL', 'sleep', 'infinity'])
  t.after(async () => {
    process1.kill()
    for (const each of [netns, container]) await each.remove()
  })
  const end = { up: true, addrGenMode: 'none', rxQueues: 2, txQueues: 2 } as const
  const [nic] = await createVethPair({ name: 'nic0', netns, ...end, peer: { name: 'gen0', ...end } })
  const eth0 = { name: 'eth0', netns: container, ...end }
  const [target, peer] = await createVethPair({ name: 'veth0', netns, ...end, peer: eth0 })
  return { netns, container, nic, target, peer }
}

const EXTERNAL = ['--nic', 'nic0', '--target', 'veth0', '--traffic', 'external']
const FROM = ['--nic', 'nic0', '--target', 'veth0', '--from', 'gen0']
/** A program that sends frames out of a device of the namespace that is its descriptor 3, until it is killed. */
function sending(ifindex: number): string {
  const codec = JSON.stringify(join(import.meta.dirname, `../../src/codec${EXTENSION}`))
  return `import { ask, netnsFrom, runSync, SyncKernel } from ${codec}
    const [kernel, netns] = [new SyncKernel(), netnsFrom({ fd: 3 })]
    const frame = Uint8Array.from({ length: 64 }, (_, i) => (i < 6 ? 0xff : i === 12 ? 0x88 : i === 13 ? 0xb5 : 2))
    const frames = { kind: 'frames', netns, ifindex: ${ifindex}, frame, count: 1000 }
    console.log('sending')
    for (;;) runSync(ask(frames), kernel)`
}

describe("the benchmark with a machine's own devices", { skip: needsRoot }, () => {
  test('refuses what cannot be a way for frames', async t => {
    const all = await machine(t)
    const refused = async (why: RegExp, ...words: string[]) => {
      const { status, stderr } = await bench(all, ...words, '--quick')
      assert.notEqual(status, 0)
      assert.match(stderr, why)
    }
    await refused(/--only size=64: --traffic external has the size of another/, ...EXTERNAL, '--only', '64')
    await refused(/nic0, nic0, veth0: each must be a device of its own/, ...FROM.with(-1, 'nic0'))
    await refused(
      /nic0 receives \d frames in 200 ms: does the other machine send, to its address\?/,
      ...EXTERNAL,
    )
    await all.target.down()
    await refused(/veth0 .* is down: ip link set dev veth0 up/, ...FROM)
  })

  test('refuses those that carry a lifeline, and a peer that does where it would get a program', {
    skip: needsCommands('ip'),
  }, async t => {
    const all = await machine(t)
    const ip = (netns: NetnsHandle, words: string) => execIn(netns, 'ip', ...words.split(' '))
    ip(all.netns, 'addr add 192.0.2.2/24 dev nic0')
    ip(all.netns, 'route add default via 192.0.2.1')
    ip(all.netns, 'link property add dev nic0 altname uplink-of-this-machine')
    const quick = ['--quick', '--generator', 'af-packet', '--only', 'generic']
    const uplink = await bench(all, ...FROM.with(1, 'uplink-of-this-machine'), ...quick)
    assert.equal(uplink.status, 1)
    assert.match(uplink.stderr, /nic0 in this netns carries the default route: .* --force/)
    ip(all.netns, 'route del default')

    ip(all.container, 'addr add 198.51.100.2/24 dev eth0')
    ip(all.container, 'route add default via 198.51.100.1')
    const drop = await bench(all, ...FROM, ...quick, '--only', 'peer=plain,drop')
    assert.equal(drop.status, 1)
    const why =
      /eth0 in netns of process \d+ carries the default route: --only peer=plain,gro attaches nothing/
    assert.match(drop.stderr, why)
    const plain = await bench(all, ...FROM, ...quick, '--only', 'peer=plain', '--repeats', '1')
    assert.equal(plain.status, 0, plain.stderr)
    const forced = await bench(all, ...FROM, ...quick, '--only', 'peer=drop', '--repeats', '1', '--force')
    assert.equal(forced.status, 0, forced.stderr)
  })

  test('measures what somebody else sends, and counts it while it goes on', {
    skip: needsGroNapi,
  }, async t => {
    const all = await machine(t)
    const { index } = await device('gen0', { netns: all.netns }).getLink()
    const sender = spawn(process.execPath, [...LOADER, '--input-type=module', '-e', sending(index)], {
      stdio: ['ignore', 'pipe', 'inherit', all.netns.fd!],
    })
    t.after(() => sender.kill('SIGKILL'))
    await once(sender.stdout!, 'data')
    const some = ['--only', 'devmap,plain,gro', '--repeats', '1']
    const { status, stdout, stderr } = await bench(all, ...EXTERNAL, ...some, '--json')
    assert.equal(status, 0, stderr)
    const { generator, cases, settings } = checkResults(JSON.parse(stdout), '')
    assert.equal(generator, 'external')
    assert.deepEqual(settings, { repeats: 1, milliseconds: 180, cpus: [], from: null, pktgen: null })
    assert.deepEqual(
      cases.map(one => idOf(one.case)),
      ['native/plain', 'native/gro', 'generic/plain', 'generic/gro'].map(how => `${how}/0/devmap/0`),
    )
    for (const { case: each, explained, runs } of cases) {
      const fails = each.mode === 'native' && each.peer === 'plain'
      assert.equal(explained.reason === null, !fails)
      for (const { sent, received, delivered } of runs) {
        const words = JSON.stringify({ each, sent, received, delivered })
        assert.ok(sent > 0, words)
        assert.equal(received, sent, words)
        if (fails) assert.equal(delivered, 0, words)
        else assert.ok(Math.abs(sent - delivered) < 0.05 * sent, words)
      }
    }
  })
})
