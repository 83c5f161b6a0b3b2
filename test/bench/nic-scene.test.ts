import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, type TestContext, test } from 'node:test'
import { createNetns, createVethPair, type Device, type NetnsHandle } from '../../src/index.ts'
import { needsRoot } from '../tools/netns.ts'
import { EXTENSION, LOADER } from '../tools/this-run.ts'

const MAIN = join(import.meta.dirname, `../../bench/redirect/main${EXTENSION}`)

/** gen0 ─────▶ nic0 ─ XDP redirect ─▶ veth0 ───▶ eth0: the first three in one namespace, as devices of a machine are. */
interface Machine {
  readonly netns: NetnsHandle
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
  return { netns, nic, target, peer }
}

const FROM = ['--nic', 'nic0', '--target', 'veth0', '--from', 'gen0']
/** The benchmark, in the machine's namespace. */
async function bench({ netns }: Machine, ...words: string[]) {
  const inside = [`--net=/proc/${process.pid}/fd/${netns.fd}`, process.execPath, ...LOADER, MAIN, ...words]
  const child = spawn('nsenter', inside, { stdio: ['ignore', 'pipe', 'pipe'] })
  const [[status], stdout, stderr] = await Promise.all([
    once(child, 'close'),
    text(child.stdout),
    text(child.stderr),
  ])
  return { status, stdout, stderr }
}

describe("the benchmark with a machine's own devices", { skip: needsRoot }, () => {
  test('refuses what cannot be a way for frames', async t => {
    const all = await machine(t)
    const refused = async (why: RegExp, ...words: string[]) => {
      const { status, stderr } = await bench(all, ...words, '--quick')
      assert.notEqual(status, 0)
      assert.match(stderr, why)
    }
    await refused(/nic0, nic0, veth0: each must be a device of its own/, ...FROM.with(-1, 'nic0'))
    await all.target.down()
    await refused(/veth0 .* is down: ip link set dev veth0 up/, ...FROM)
  })
})
