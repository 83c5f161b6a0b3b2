import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { TestContext } from 'node:test'
import { netnsFrom } from '../../src/codec.ts'
import { createNetns, createVethPair, device, type Netns, type NetnsHandle } from '../../src/index.ts'
import { execIn } from '../tools/netns.ts'

/** A namespace that stands for a machine, with devices that are up. */
export interface Machine {
  readonly netns: NetnsHandle
  readonly place: Netns
  /** iproute2 in it. */
  ip(words: string): void
  /** Of its devices, in the order of their names. */
  indexesOf(...names: string[]): Promise<number[]>
}

export async function makeMachine(t: TestContext, ...names: string[]): Promise<Machine> {
  const netns = await createNetns()
  t.after(() => netns.remove())
  const end = { up: true, addrGenMode: 'none' } as const
  for (const name of names)
    await createVethPair({ name, netns, ...end, peer: { name: `to-${name}`, ...end } })
  return {
    netns,
    place: netnsFrom(netns),
    ip(words) {
      execIn(netns, 'ip', ...words.split(' '))
    },
    async indexesOf(...names) {
      return await Promise.all(names.map(async name => (await device(name, { netns }).getLink()).index))
    },
  }
}

/** A connection within the namespace to an address of its own, for as long as the test runs. */
export async function connect(
  t: TestContext,
  { netns }: Machine,
  address: string,
  port: number,
  listener = address,
): Promise<void> {
  const script = `
    const { connect, createServer } = require('node:net')
    const server = createServer(() => console.log('connected'))
    server.listen(${port}, '${listener}', () => connect(${port}, '${address}'))`
  const inside = [`--net=/proc/${process.pid}/fd/${netns.fd}`, process.execPath, '-e', script]
  const child = spawn('nsenter', inside, { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
}
