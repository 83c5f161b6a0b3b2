import assert from 'node:assert/strict'
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { JOURNALS } from '../../bench/redirect/journal.ts'
import { createNetns, createVethPair, type Device, type NetnsHandle } from '../../src/sync.ts'
import { EXTENSION, LOADER, often } from '../tools/this-run.ts'

/*
 * A network namespace stands for the machine, with a port gen0 that is wired to nic0, and a veth into which nic0
 * redirects. /run is the test's own, so the journals there are too.
 */
const main = new URL(`../../bench/redirect/main${EXTENSION}`, import.meta.url).pathname

export interface Machine {
  readonly netns: NetnsHandle
  readonly nic: Device
  readonly target: Device
  readonly peer: Device
}

export function makeMachine(t: TestContext): Machine {
  const netns = createNetns()
  t.after(() => netns.remove())
  const end = { up: true, addrGenMode: 'none' } as const
  const [nic] = createVethPair({ name: 'nic0', netns, ...end, peer: { name: 'gen0', ...end } })
  const [target, peer] = createVethPair({ name: 'veth0', netns, ...end, peer: { name: 'eth0', ...end } })
  return { netns, nic, target, peer }
}

/** A network namespace that stands for a machine. */
interface Somewhere {
  readonly netns: { readonly fd: number | null }
}

/** A program in the machine's namespace. */
export function inside(
  { netns }: Somewhere,
  words: readonly string[],
  options: SpawnOptions = {},
): ChildProcess {
  const nsenter = [`--net=/proc/${process.pid}/fd/${netns.fd}`, ...words]
  return spawn('nsenter', nsenter, { stdio: ['ignore', 'pipe', 'pipe'], ...options })
}

/** The benchmark, there. */
export function start(machine: Somewhere, ...words: string[]): ChildProcess {
  return inside(machine, [process.execPath, ...LOADER, main, ...words])
}

/** The same, to its end. */
export function bench(machine: Somewhere, ...words: string[]) {
  return ended(start(machine, ...words))
}

export async function ended(child: ChildProcess) {
  let [stdout, stderr] = ['', '']
  child.stdout!.on('data', text => (stdout += text))
  child.stderr!.on('data', text => (stderr += text))
  const status = await new Promise(resolve => child.once('close', (code, signal) => resolve(signal ?? code)))
  return { status, stdout, stderr }
}

export const RUN = [
  '--nic',
  'nic0',
  '--target',
  'veth0',
  '--from',
  'gen0',
  '--generator',
  'live-frames',
  '--quick',
]

/** All that a run could leave changed. */
export function stateOf({ nic, target, peer }: Machine) {
  return [nic, target, peer].map(device => {
    const { flags, mtu, xdp } = device.getLink()
    const wanted = Object.entries(device.getFeatures()).map(([name, feature]) => [name, feature.wanted])
    return { name: device.name, flags, mtu, program: xdp?.mode ?? 'none', wanted }
  })
}

export function programsOf({ nic, target, peer }: Machine): string[] {
  return [nic, target, peer].map(device => device.getXdp().mode)
}

/** Until it has changed something. */
export async function untilItChanges(): Promise<void> {
  for (let patience = often(3000, 30_000); !existsSync(JOURNALS); patience--) {
    assert.ok(patience > 0, 'it notes nothing')
    await sleep(10)
  }
}
