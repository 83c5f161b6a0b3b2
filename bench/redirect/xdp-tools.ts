import { setTimeout as sleep } from 'node:timers/promises'
import type { Case } from './case.ts'
import { kernelTime } from './kernel-time.ts'
import { measure, nameOf } from './measure.ts'
import type { Oracle } from './oracle.ts'
import { preparePeer, withSink } from './prepared.ts'
import { whileRunning } from './running.ts'
import type { Sample } from './sample.ts'
import type { Scene } from './scene.ts'

/**
 * The programs of xdp-tools that do what we do, each where it is and runs here: xdp-bench in the place of our program, fed
 * by the same generator, and xdp-trafficgen in the place of live frames. Both want a kernel that takes tracing programs.
 * Only in private namespaces: killed, they leave their programs behind.
 */
export async function xdpTools(scene: Scene): Promise<Oracle[]> {
  if (scene.kind !== 'embedded') return []
  const found: Oracle[] = []
  const sendsAlike = scene.generator?.name === 'live frames'
  for (const { oracle, tryIt } of [xdpBench(scene), ...(sendsAlike ? [xdpTrafficgen(scene)] : [])]) {
    try {
      await tryIt()
      found.push(oracle)
    } catch (error) {
      // What libbpf logs comes before.
      const why = (error as Error).message.split('\n').at(-1)
      process.stderr.write(`No ${oracle.name} beside ours: ${why}\n`)
    }
  }
  return found
}

interface Tool {
  readonly oracle: Oracle
  /** @throws Error: why it does not run here. */
  tryIt(): Promise<unknown>
}

const PLAINEST: Case = { mode: 'native', peer: 'gro', size: 64, via: 'bpf_redirect', cores: 1 }

function xdpBench(scene: Scene): Tool {
  return {
    tryIt: () => whileXdpBench(scene, PLAINEST, async () => {}),
    oracle: {
      name: 'xdp-bench',
      sends: () => false,
      does: ({ mode, peer }) => peer === 'gro' || (peer === 'plain' && mode === 'generic'),
      ceiling: () => Promise.reject(new Error('xdp-bench generates nothing')),
      async redirect(_, traffic, what) {
        await preparePeer(scene, what.peer)
        const { steady, ...sample } = await whileXdpBench(scene, what, () => measure(scene, traffic))
        return sample
      },
    },
  }
}

/** Its program is on the NIC meanwhile; and another one on the target, as it does of itself. */
async function whileXdpBench<T>({ nic, target }: Scene, what: Case, use: () => Promise<T>): Promise<T> {
  const command = what.via === 'devmap' ? 'redirect-map' : 'redirect'
  const mode = what.mode === 'native' ? 'native' : 'skb'
  const [into, outOf] = [await nameOf(nic), await nameOf(target)]
  const words = [command, '--mode', mode, '--interval', SELDOM, into, outOf]
  const isAttached = async () => (await nic.getXdp()).mode !== 'none'
  return await whileRunning({ beside: nic, command: 'xdp-bench', words, isAtWork: isAttached }, use)
}

/** Seconds from one line of statistics to the next. */
const SELDOM = '3600'

function xdpTrafficgen(scene: Scene): Tool {
  const traffic = (use: (sink: Scene) => Promise<Sample>, cores: number) =>
    withSink(scene, sink => whileXdpTrafficgen(sink, cores, () => use(sink)))
  return {
    tryIt: () => traffic(countAtNic, 1),
    oracle: {
      name: 'xdp-trafficgen',
      // Before 1.5 it has no other size.
      sends: ({ size }) => size === 64,
      does: () => false,
      ceiling: (_, { cores }) => traffic(countAtNic, cores.length),
      redirect: () => Promise.reject(new Error('xdp-trafficgen redirects nothing')),
    },
  }
}

/** It sends from the first CPUs on, without end. */
async function whileXdpTrafficgen<T>({ from, nic }: Scene, cores: number, use: () => Promise<T>): Promise<T> {
  const { address, stats } = await nic.getLink()
  const [before, outOf] = [stats!.rxPackets, await nameOf(from!)]
  const words = ['udp', '--dst-mac', address, '--threads', String(cores), outOf]
  const isFed = async () => (await nic.getLink()).stats!.rxPackets > before
  return await whileRunning({ beside: from!, command: 'xdp-trafficgen', words, isAtWork: isFed }, use)
}

const WINDOW_MS = 200

/** What comes in meanwhile: the program does not tell before it ends, and then not exactly. */
async function countAtNic({ nic }: Scene): Promise<Sample> {
  await sleep(WINDOW_MS / 4)
  const [begun, busyBefore, before] = [
    performance.now(),
    kernelTime(),
    (await nic.getLink()).stats!.rxPackets,
  ]
  await sleep(WINDOW_MS)
  const frames = Number((await nic.getLink()).stats!.rxPackets - before)
  const nanoseconds = Math.round((performance.now() - begun) * 1e6)
  const kernelNanoseconds = kernelTime() - busyBefore
  return { sent: frames, received: frames, delivered: frames, nanoseconds, kernelNanoseconds, drops: [] }
}
