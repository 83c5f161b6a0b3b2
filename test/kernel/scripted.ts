import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { PromiseKernel } from '../../src/kernel/async-kernel.ts'
import { type Limits, run, runSync } from '../../src/kernel/kernel.ts'
import type { Done, Shim } from '../../src/kernel/shim.ts'
import { SyncKernel } from '../../src/kernel/sync-kernel.ts'
import { LITTLE_ENDIAN } from '../../src/wire/netlink.ts'
import type { Operation } from '../../src/wire/operation.ts'
import type { Datagram } from './messages.ts'

export const EINTR = -4
export const EBADF = -9
export const EPROTO = -71
export const ENOBUFS = -105
export const ETIMEDOUT = -110

/** What an exchange brings: datagrams, or an error's negative number. It may depend on the buffer's size. */
export type Step = readonly Datagram[] | number | ((room: number) => readonly Datagram[])

/** A kernel behind the shim's interface that says what a script tells it to, one step per exchange. */
export class ScriptedShim implements Shim {
  /** What was asked of it, in order: 'open 1', 'send 1', 'read 1' (an exchange that sends nothing), 'close 1'. */
  readonly calls: string[] = []
  /** The requests as they were sent. */
  readonly requests: Uint8Array[] = []
  /** The buffers' sizes, by exchange. */
  readonly rooms: number[] = []
  inFlight = 0
  mostInFlight = 0
  /** Exchanges stay in flight until release(). */
  holds = false
  readonly #script: Step[]
  readonly #held: (() => void)[] = []
  #handles = 0
  /** The last request's, by socket. */
  readonly #sequences = new Map<number, number>()

  constructor(script: readonly Step[]) {
    this.#script = [...script]
  }

  /** Steps that nobody came for. */
  get unplayed(): number {
    return this.#script.length
  }

  /** Lets the exchanges in flight come back, and those to come. */
  release(): void {
    this.holds = false
    for (const goOn of this.#held.splice(0)) goOn()
  }

  openSocket(_netns: number, _protocol: number, _done?: Done): number {
    this.calls.push(`open ${++this.#handles}`)
    return this.#handles
  }

  inode(): number {
    throw new Error('no script has an inode')
  }

  close(): number {
    throw new Error('no script has a close')
  }

  openTracepoint(): number {
    throw new Error('no script has a tracepoint')
  }

  closeSocket(handle: number, _done?: Done): number {
    this.calls.push(`close ${handle}`)
    return 0
  }

  exchange(
    handle: number,
    request: Uint8Array | null,
    buffer: Uint8Array,
    datagrams: Uint32Array,
    timeoutMs: number,
    done?: Done,
  ): number {
    this.calls.push(`${request === null ? 'read' : 'send'} ${handle}`)
    this.rooms.push(buffer.length)
    if (request !== null) {
      this.requests.push(request.slice())
      this.#sequences.set(handle, viewOf(request).getUint32(8, LITTLE_ENDIAN))
    }
    const sequence = this.#sequences.get(handle) ?? 0
    const step = this.#script.shift() ?? ETIMEDOUT
    const play = () => {
      if (typeof step === 'number') return step
      return deliver(typeof step === 'function' ? step(buffer.length) : step, sequence, buffer, datagrams)
    }
    if (done === undefined) {
      if (step === ETIMEDOUT) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, timeoutMs)
      return play()
    }
    this.mostInFlight = Math.max(this.mostInFlight, ++this.inFlight)
    const comeBack = () => {
      this.inFlight--
      done(play())
    }
    if (this.holds) this.#held.push(comeBack)
    else sleep(step === ETIMEDOUT ? timeoutMs : 0).then(comeBack)
    return 0
  }

  /** One step per socket, of one datagram at most: what an error number brings is nothing at all. */
  exchangeTogether(
    sends: Uint32Array,
    count: number,
    requests: Uint8Array,
    buffer: Uint8Array,
    datagrams: Uint32Array,
    done?: Done,
  ): number {
    const plays: (() => void)[] = []
    let [sent, at, words] = [0, 0, 0]
    for (let i = 0; i < 7 * count; i += 7) {
      const handle = sends[i]!
      this.calls.push(`send ${handle} with ${sends[i + 3]}`)
      const bytes = requests.slice(sent, sent + sends[i + 2]!)
      sent += bytes.length
      this.requests.push(bytes)
      const sequence = viewOf(bytes).getUint32(8, LITTLE_ENDIAN)
      const step = this.#script.shift() ?? ETIMEDOUT
      if (typeof step === 'number') continue
      const list = typeof step === 'function' ? step(buffer.length) : step
      plays.push(() => {
        const room = new Uint32Array(datagrams.length)
        const played = deliver(list, sequence, buffer.subarray(at), room)
        for (let word = 0; word < 2 * played; word += 2) {
          datagrams.set([room[word]! + at, room[word + 1]!], words)
          words += 2
        }
        if (played > 0) at += room[2 * played - 2]! + ((room[2 * played - 1]! + 3) & ~3)
      })
    }
    const play = () => {
      for (const each of plays) each()
      return words / 2
    }
    if (done === undefined) return play()
    this.mostInFlight = Math.max(this.mostInFlight, ++this.inFlight)
    const comeBack = () => {
      this.inFlight--
      done(play())
    }
    if (this.holds) this.#held.push(comeBack)
    else sleep(0).then(comeBack)
    return 0
  }

  createNetns(): number {
    throw new Error('no script has a createNetns')
  }

  unmount(): number {
    throw new Error('no script has an unmount')
  }

  bpf(): number {
    throw new Error('no script has a bpf')
  }

  subscribe(): number {
    throw new Error('no script has a subscription')
  }

  fetch(): number {
    throw new Error('no script has a subscription')
  }

  keepAlive(): number {
    throw new Error('no script has a subscription')
  }

  unsubscribe(): number {
    throw new Error('no script has a subscription')
  }

  sendFrames(): number {
    throw new Error('no script has frames')
  }
}

/** Lays the datagrams one behind the other, as the shim does; what does not fit is lost. */
function deliver(
  list: readonly Datagram[],
  sequence: number,
  buffer: Uint8Array,
  datagrams: Uint32Array,
): number {
  let at = 0
  list.forEach(({ messages, claims }, i) => {
    const bytes = Buffer.concat(messages.map(message => message(sequence)))
    const length = Math.max(bytes.length, claims)
    buffer.set(bytes.subarray(0, Math.max(0, buffer.length - at)), at)
    datagrams.set([at, length], 2 * i)
    at += (length + 3) & ~3
  })
  return list.length
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** A kernel of either form, on a script. */
export interface Scripted {
  readonly shim: ScriptedShim
  perform<T>(operation: Operation<T>, limits?: Limits): Promise<T>
}

/** The kernel that answers by promises. */
export function scriptedPromises(...script: Step[]): Scripted {
  const shim = new ScriptedShim(script)
  const kernel = new PromiseKernel(shim)
  return { shim, perform: (operation, limits) => run(operation, kernel, limits) }
}

function scriptedSync(...script: Step[]): Scripted {
  const shim = new ScriptedShim(script)
  const kernel = new SyncKernel(shim)
  return { shim, perform: async (operation, limits) => runSync(operation, kernel, limits) }
}

/** One test for each form of the kernel. */
export function testBoth(
  name: string,
  body: (script: (...steps: Step[]) => Scripted) => Promise<void>,
): void {
  test(`${name} (synchronous)`, () => body(scriptedSync))
  test(`${name} (promises)`, () => body(scriptedPromises))
}
