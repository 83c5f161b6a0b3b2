import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { TracedRedirect, TraceReport } from '../../src/index.ts'
import { newLink, setAddrGenMode } from '../../src/rtnetlink/link-operations.ts'
import { type Device, device, type NetnsHandle } from '../../src/sync.ts'
import { probeFrame } from '../../src/veth/probe-frame.ts'
import { ask } from '../../src/wire/operation.ts'
import { ownNetns } from '../tools/netns.ts'
import { real } from '../tools/real.ts'

/**
 *   outside          host                             container
 *   gen ─────────▶ nic ─ XDP redirect ─▶ T ───────▶ P
 *
 * nic and T have indexes that no device of another test has: the kernel's own trace knows devices by nothing else.
 */
export interface Scene {
  readonly host: NetnsHandle
  readonly gen: Device
  readonly nic: Device
  readonly T: Device
  readonly P: Device
}

const QUIET = { up: true, addrGenMode: 'none' } as const
let scenes = 0

export function sceneIn(t: TestContext, index = nextIndex()): Scene {
  const [outside, host, container] = [ownNetns(t), ownNetns(t), ownNetns(t)]
  const [nic, gen] = pairAt(host, 'nic', index, outside, 'gen')
  const [T, P] = pairAt(host, 'T', index + 1, container, 'P')
  return { host, gen, nic, T, P }
}

export function nextIndex(): number {
  return 100_000 + 1000 * (process.pid % 100_000) + 2 * scenes++
}

function pairAt(
  here: NetnsHandle,
  name: string,
  index: number,
  there: NetnsHandle,
  peer: string,
): [Device, Device] {
  const { addrGenMode } = QUIET
  real(
    newLink(here, { name, index, linkinfo: { kind: 'veth', data: { peer: { name: peer, netns: there } } } }),
  )
  const ends: [Device, Device] = [device(name, { netns: here }), device(peer, { netns: there })]
  for (const end of ends) {
    real(setAddrGenMode({ netns: end.netns, device: end.name! }, addrGenMode))
    end.up()
  }
  return ends
}

/** A veth's ring takes 256. */
const BURST = 100

/** Puts frames onto the wire to nic, and waits until it has received them. */
export function send({ gen, nic }: Pick<Scene, 'gen' | 'nic'>, frames: number, size = 64): void {
  const frame = probeFrame(nic.getLink().address, size)
  const { index } = gen.getLink()
  for (let sent = 0; sent < frames; ) {
    const [count, before] = [Math.min(BURST, frames - sent), received(nic)]
    assert.equal(real(ask({ kind: 'frames', netns: gen.netns, ifindex: index, frame, count })), count)
    for (let patience = 2000; received(nic) - before < count; patience--) {
      assert.ok(patience > 0, `${received(nic) - before} of ${count} frames received`)
      real(ask({ kind: 'wait', milliseconds: 1 }))
    }
    sent += count
  }
}

export function received(end: Device): number {
  return Number(end.getLink().stats!.rxPackets)
}

/** What a trace reports of a scene's devices, and of what is no device: how many frames in all ended in each way. */
export class Counted {
  readonly #nic: number
  readonly #found = new Map<string, TracedRedirect>()

  constructor({ nic }: Pick<Scene, 'nic'>) {
    this.#nic = nic.getLink().index
  }

  /** Each way once, with the cause that was told last. */
  get found(): TracedRedirect[] {
    return [...this.#found.values()]
  }

  at(tracepoint: TracedRedirect['tracepoint'], code: string | null) {
    const all = this.found.filter(one => one.tracepoint === tracepoint && one.code === code)
    const sum = (of: 'refused' | 'delivered') => all.reduce((total, one) => total + one[of], 0)
    return { all, refused: sum('refused'), delivered: sum('delivered') }
  }

  /** Reads until no more comes. */
  async readAll(trace: { read(): TraceReport | Promise<TraceReport> }): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet++) {
      const { redirects, uncounted } = await trace.read()
      assert.equal(uncounted, 0)
      for (const one of redirects) if (this.#add(one)) quiet = 0
      real(ask({ kind: 'wait', milliseconds: 5 }))
    }
  }

  #add(one: TracedRedirect): boolean {
    const { tracepoint, errno, from, to, mapId, mapIndex } = one
    const isOurs = from === null || from.index === this.#nic
    if (!isOurs) return false
    const key = [tracepoint, errno, from?.index, to?.index, mapId, mapIndex].join()
    const before = this.#found.get(key)
    const refused = one.refused + (before?.refused ?? 0)
    const delivered = one.delivered + (before?.delivered ?? 0)
    this.#found.set(key, { ...one, refused, delivered })
    return true
  }
}
