import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import type { Device } from '../../src/index.ts'
import { buildC } from '../workshop.ts'
import type { Case } from './case.ts'
import { NOWHERE } from './counters.ts'
import { udpFrame } from './frame.ts'
import { kernelTime } from './kernel-time.ts'
import { addressOf, PARTS, type Traffic } from './measure.ts'
import { preparePeer } from './prepared.ts'
import { PROGRAM_NAME } from './programs.ts'
import type { Sample } from './sample.ts'
import type { Scene } from './scene.ts'
import { tellGivenUp } from './turns.ts'

/** Another program that does the same in the same scene. */
export interface Oracle {
  readonly name: string
  /** Whether it redirects in this case, and whether it generates such frames. */
  does(what: Case): boolean
  sends(what: Pick<Case, 'size' | 'cores'>): boolean
  /** The generator's frames dropped at the NIC. */
  ceiling(scene: Scene, traffic: Traffic): Promise<Sample>
  /** Redirected into the target. */
  redirect(scene: Scene, traffic: Traffic, what: Case): Promise<Sample>
}

/** What another program did, run by run. */
export interface Theirs {
  readonly oracle: Oracle
  readonly runs: Sample[]
}

export function theirsOf(oracles: readonly Oracle[]): Theirs[] {
  return oracles.map(oracle => ({ oracle, runs: [] }))
}

/** One more run by each. @returns those that did it; one that fails is given up, with a line on stderr. */
export async function runTheirs(
  theirs: readonly Theirs[],
  what: string,
  signal: AbortSignal,
  run: (oracle: Oracle) => Promise<Sample>,
): Promise<Theirs[]> {
  const left: Theirs[] = []
  for (const each of theirs) {
    try {
      each.runs.push(await run(each.oracle))
      left.push(each)
    } catch (error) {
      signal.throwIfAborted()
      tellGivenUp(`${each.oracle.name}, ${what}`, (error as Error).message)
    }
  }
  return left
}

/** Ours, then theirs; every other time theirs first: who comes second finds another machine than who comes first. */
export async function byTurns(
  time: number,
  ours: () => Promise<void>,
  theirs: () => Promise<void>,
): Promise<void> {
  for (const goes of time % 2 === 0 ? [ours, theirs] : [theirs, ours]) await goes()
}

export const WITH_LIBBPF = 'C with libbpf'
const HEADER = '/usr/include/bpf/libbpf.h'
const SIZE = 64

/** bench/peers/redirect.c: live frames from one core, into GRO at the peer. null, and why on stderr, where it cannot be built. */
export function libbpfOracle({ kind, generator }: Scene): Oracle | null {
  if (kind !== 'embedded' || generator?.name !== 'live frames') return null
  if (!existsSync(HEADER)) {
    process.stderr.write('No C program beside ours: there is no libbpf here (apt-get install libbpf-dev)\n')
    return null
  }
  const program = buildC('redirect', [], ['-lbpf'])
  const sends = ({ size, cores }: Pick<Case, 'size' | 'cores'>) => size === SIZE && cores === 1
  return {
    name: WITH_LIBBPF,
    sends,
    does: what => sends(what) && what.mode === 'native' && what.peer === 'gro' && what.via === 'bpf_redirect',
    ceiling: (scene, traffic) => runProgram(program, scene, traffic, false),
    async redirect(scene, traffic) {
      await preparePeer(scene, 'gro')
      return await runProgram(program, scene, traffic, true)
    },
  }
}

/** It ends with this process: the kernel kills it then, and its programs go with it. */
async function runProgram(
  program: string,
  { from, nic, target, peer }: Scene,
  { frames, size, cores }: Traffic,
  redirects: boolean,
): Promise<Sample> {
  const indexes = [
    await indexOf(from!),
    await indexOf(nic),
    redirects ? await indexOf(target) : 0,
    await indexOf(redirects ? peer : nic),
  ]
  const frame = Buffer.from(udpFrame(size, await addressOf(nic))).toString('hex')
  const busyBefore = kernelTime()
  const child = spawn(program, [cores[0]!, frames, PARTS, ...indexes, frame, PROGRAM_NAME].map(String), {
    stdio: ['ignore', 'pipe', 'inherit', ...[from!, nic, peer].map(descriptorOf)],
  })
  const [[status, signal], output] = await Promise.all([once(child, 'close'), text(child.stdout!)])
  if (status !== 0) throw new Error(`bench/peers/redirect.c: ${signal ?? `status ${status}`}`)
  const [sent = 0, received = 0, delivered = 0, nanoseconds = 0] = output.trim().split(' ').map(Number)
  const drops = sent === delivered ? [] : [{ where: NOWHERE, frames: sent - delivered }]
  return { sent, received, delivered, nanoseconds, kernelNanoseconds: kernelTime() - busyBefore, drops }
}

async function indexOf(device: Device): Promise<number> {
  return (await device.getLink()).index
}

/** Of its namespace: the embedded scene's are this process's. */
function descriptorOf({ netns }: Device): number {
  return Number(/^\/proc\/self\/fd\/(\d+)$/.exec(netns.path)![1])
}
