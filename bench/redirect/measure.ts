import { setTimeout as sleep } from 'node:timers/promises'
import type { Device } from '../../src/index.ts'
import { type Counters, outcome, readCounters } from './counters.ts'
import type { Sent } from './generator.ts'
import { kernelTime } from './kernel-time.ts'
import { uninterrupted } from './pinned-threads.ts'
import type { Run } from './results.ts'
import type { Scene } from './scene.ts'

export interface Traffic {
  /** Of each part of a sample; where another machine sends, it is `milliseconds` that count. */
  readonly frames: number
  /** 0, and no cores, where another machine sends. */
  readonly size: number
  readonly cores: readonly number[]
}

export type Measured = Omit<Run, 'turn'>

/** A sample is sent in so many parts, after one more that does not count: the warm-up. */
export const PARTS = 3
/** The last two parts must be as fast as each other within this: then the rate has settled. */
const STEADY = 0.1
/** How often a sample that had not is taken again. */
const MORE_TRIES = 2
/** Counters that have not grown for so long stand still. */
const STILL_MS = 10
const BY_OTHERS_MS = 200
/** Some drivers, as igb, start anew with a native program, and nothing gets through for seconds. */
const SILENCE_MS = 10_000
/** Fewer are no traffic, but what the kernel says for itself. */
const LEAST_FRAMES = 100

/** One sample, of the first try that was steady, or else of the last one. */
export async function measure(scene: Scene, traffic: Traffic): Promise<Measured> {
  await uninterrupted(() => sendPart(scene, traffic))
  for (let more = MORE_TRIES; ; more--) {
    const sample = await uninterrupted(() => measureOnce(scene, traffic))
    if (sample.steady || more === 0) return sample
  }
}

/**
 * How many frames a part must have to take so many milliseconds; some are sent. The best rate that was seen counts, as
 * short runs are slow ones: they begin cold, and what else the machine does falls on them whole.
 */
export async function framesFor(scene: Scene, traffic: Omit<Traffic, 'frames'>, ms: number): Promise<number> {
  let [frames, best] = [1000, 0]
  for (const aim of [ms / 10, ms / 3, ms, ms]) {
    const some = { ...traffic, frames }
    const { sent, nanoseconds } = await uninterrupted(() => sendPart(scene, some))
    if (nanoseconds > 0) best = Math.max(best, sent / nanoseconds)
    // One try may be far off: the next one is not longer without limit.
    frames = Math.ceil(Math.min(Math.max(aim * 1e6 * best, 1000), 30 * frames))
  }
  return frames
}

async function measureOnce(scene: Scene, traffic: Traffic): Promise<Measured> {
  const before = (await stillCounters(scene)).counters
  const [busyBefore, begun] = [kernelTime(), performance.now()]
  let [sent, nanoseconds] = [0, 0]
  const rates: number[] = []
  for (let part = 0; part < PARTS; part++) {
    const done = await sendPart(scene, traffic)
    sent += done.sent
    nanoseconds += done.nanoseconds
    rates.push(done.sent / done.nanoseconds)
  }
  const { counters, moved } = await stillCounters(scene)
  if (scene.generator === null) {
    // It is sent between the parts as well.
    sent = receivedBetween(before, counters)
    nanoseconds = (performance.now() - begun) * 1e6
  }
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

/** Sent here; or, of what another machine sends, what the NIC receives within some time. */
async function sendPart(scene: Scene, { frames, size, cores }: Traffic): Promise<Sent> {
  const { generator, nic } = scene
  if (generator !== null)
    return await generator.send({ frames, size, cores, destination: await addressOf(nic) })
  const patience = performance.now() + SILENCE_MS
  for (;;) {
    const begun = performance.now()
    const before = await readCounters(scene)
    await sleep(BY_OTHERS_MS)
    const sent = receivedBetween(before, await readCounters(scene))
    const now = performance.now()
    if (sent >= LEAST_FRAMES) return { sent, nanoseconds: (now - begun) * 1e6 }
    if (now < patience) continue
    const heard = `${await nameOf(nic)} receives ${sent} frames in ${BY_OTHERS_MS} ms`
    throw new Error(`${heard}: does the other machine send, to its address?`)
  }
}

function receivedBetween(before: Counters, after: Counters): number {
  return Number(after.nic.rxPackets - before.nic.rxPackets)
}

/** Once they stand still; and for how many nanoseconds they were seen to grow until then. */
async function stillCounters(scene: Scene): Promise<{ counters: Counters; moved: number }> {
  const begun = performance.now()
  let [counters, movedAt] = [await readCounters(scene), begun]
  // What another machine sends never ends.
  while (scene.generator !== null && performance.now() - movedAt < STILL_MS) {
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
  return {
    from: from === null ? '' : await nameOf(from),
    nic: await nameOf(nic),
    target: await nameOf(target),
    peer: await nameOf(peer),
  }
}

export async function nameOf(device: Device): Promise<string> {
  return device.name ?? (await device.getLink()).name
}

/** Its Ethernet address, six bytes. */
export async function addressOf(device: Device): Promise<Uint8Array> {
  const { address, name } = await device.getLink()
  if (address === null || address.length !== 17) throw new Error(`${name} has no Ethernet address to send to`)
  return Uint8Array.from(address.split(':'), byte => Number.parseInt(byte, 16))
}
