import { setTimeout as sleep } from 'node:timers/promises'
import { type Counters, outcome, readCounters } from './counters.ts'
import { kernelTime } from './kernel-time.ts'
import type { Sample } from './sample.ts'
import type { Scene } from './scene.ts'

export interface Traffic {
  readonly frames: number
  readonly size: number
  readonly cores: readonly number[]
}

/** A sample is sent in so many parts, of which the last two must agree: then it is steady. */
const PARTS = 3
const STEADY = 0.1
/** How often a sample is taken again that was not steady. */
const MORE_TRIES = 2
/** Counters that did not grow for so long stand still. */
const STILL_MS = 10

export interface Measured extends Sample {
  /** Whether its last two parts were equally fast, within a tenth. */
  readonly steady: boolean
}

/** One sample, of the first steady try, or else of the last one. */
export async function measure(scene: Scene, traffic: Traffic): Promise<Measured> {
  for (let more = MORE_TRIES; ; more--) {
    const sample = await measureOnce(scene, traffic)
    if (sample.steady || more === 0) return sample
  }
}

async function measureOnce(scene: Scene, { frames, size, cores }: Traffic): Promise<Measured> {
  const { generator } = scene
  if (generator === null) throw new Error('nothing here sends')
  const destination = addressOf((await scene.nic.getLink()).address)
  const before = await readCounters(scene)
  const busyBefore = kernelTime()
  let [sent, nanoseconds] = [0, 0]
  const rates: number[] = []
  for (let part = 0; part < PARTS; part++) {
    const done = await generator.send({ frames: Math.ceil(frames / PARTS), size, cores, destination })
    sent += done.sent
    nanoseconds += done.nanoseconds
    rates.push(done.sent / done.nanoseconds)
  }
  const { counters, moved } = await stillCounters(scene)
  const kernelNanoseconds = kernelTime() - busyBefore
  const [one, other] = rates.slice(-2) as [number, number]
  return {
    sent,
    ...outcome(sent, before, counters, await namesOf(scene)),
    nanoseconds: nanoseconds + moved,
    kernelNanoseconds,
    steady: Math.abs(one - other) <= STEADY * Math.max(one, other),
  }
}

/** Once they stand still; and for how many nanoseconds they were still seen to grow. */
async function stillCounters(scene: Scene): Promise<{ counters: Counters; moved: number }> {
  const begun = performance.now()
  let [counters, movedAt] = [await readCounters(scene), begun]
  while (performance.now() - Math.max(movedAt, begun) < STILL_MS) {
    await sleep(1)
    const now = await readCounters(scene)
    if (progress(now) !== progress(counters)) movedAt = performance.now()
    counters = now
  }
  return { counters, moved: (movedAt - begun) * 1e6 }
}

function progress({ nic, target, peer }: Counters): bigint {
  return nic.rxPackets + nic.rxDropped + target.txDropped + peer.rxPackets
}

async function namesOf({ from, nic, target, peer }: Scene): Promise<Record<keyof Counters, string>> {
  const name = async (device: Scene['nic']) => device.name ?? (await device.getLink()).name
  return {
    from: from === null ? '' : await name(from),
    nic: await name(nic),
    target: await name(target),
    peer: await name(peer),
  }
}

function addressOf(address: string | null): Uint8Array {
  if (address === null) throw new Error('the NIC has no Ethernet address to send to')
  return Uint8Array.from(address.split(':'), byte => Number.parseInt(byte, 16))
}
