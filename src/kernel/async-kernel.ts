import { setTimeout } from 'node:timers/promises'
import { SystemError } from '../wire/errors.ts'
import type { Answer, Ask } from '../wire/operation.ts'
import type { AsyncKernel } from './kernel.ts'
import { answerAtOnce, bpfPointers, finishBinding, finishUnbinding, prepareBinding } from './local.ts'
import { converse, LONGEST_WAIT, ReceiveBuffer } from './netlink.ts'
import { closeNetns, listNamedNetns, listProcessNetnsInSlices, openNetns } from './netns-files.ts'
import { loadShim, type Shim } from './shim.ts'
import { Sockets } from './sockets.ts'

/** What is decoded between two turns of the event loop: some 80 links, a fraction of a millisecond. */
const BUFFER = 128 * 1024

/**
 * The kernel itself, answering from a pool thread. libuv's pool also serves everybody's file system calls, so
 * one crossing is in flight at a time and the others wait here.
 */
export class PromiseKernel implements AsyncKernel {
  readonly #shim: Shim
  readonly #sockets: Sockets
  readonly #buffer = new ReceiveBuffer(BUFFER)
  readonly #memory = new Map<string, unknown>()
  readonly #timeout: number
  /** Settled when the crossing that was asked for last has come back. */
  #turn: Promise<unknown> = Promise.resolve()

  /** timeout: the longest wait for an answer, in milliseconds. */
  constructor({ timeout = 30_000, shim = loadShim() }: { timeout?: number; shim?: Shim } = {}) {
    this.#shim = shim
    this.#sockets = new Sockets(shim)
    this.#timeout = timeout
  }

  async answer(question: Ask, signal?: AbortSignal): Promise<Answer> {
    try {
      return await this.#answer(question, signal)
    } catch (error) {
      return { failed: error as Error }
    }
  }

  async #answer(question: Ask, signal: AbortSignal | undefined): Promise<Answer> {
    switch (question.kind) {
      case 'netlink':
        return await this.#netlink(question, signal)
      case 'bpf':
        return await this.#bpf(question, signal)
      case 'create netns': {
        const { path } = question
        prepareBinding(path)
        return finishBinding(path, await this.#cross(done => this.#shim.createNetns(path, done)))
      }
      case 'remove netns': {
        const { path } = question
        return finishUnbinding(path, await this.#cross(done => this.#shim.unmount(path, done)))
      }
      case 'namespaces':
        return question.held === 'by name' ? listNamedNetns() : await listProcessNetnsInSlices()
      case 'wait':
        return await pause(question.milliseconds, signal)
      default:
        return answerAtOnce(question, this.#memory)
    }
  }

  async #netlink(question: Extract<Ask, { kind: 'netlink' }>, signal: AbortSignal | undefined): Promise<Answer> {
    const conversation = converse(question, this.#sockets, this.#buffer, this.#timeout)
    let step = conversation.next()
    while (step.done !== true) {
      const { slot, request } = step.value
      // A change is given up only while it waits to be sent.
      const sent = question.writes && request === null
      try {
        step = await this.#cross(
          done => {
            const { bytes, datagrams } = this.#buffer
            return this.#shim.exchange(slot, request, bytes, datagrams, Math.min(this.#timeout, LONGEST_WAIT), done)
          },
          count => conversation.next(count),
          sent ? undefined : signal,
          question.writes,
        )
      } catch (error) {
        conversation.return({ interrupted: true }) // closes the socket
        throw error
      }
    }
    return step.value
  }

  async #bpf(question: Extract<Ask, { kind: 'bpf' }>, signal: AbortSignal | undefined): Promise<Answer> {
    const { command, attr } = question
    const netns = openNetns(question.netns)
    try {
      const pointers = bpfPointers(question)
      // Awaited once sent, as a result may be a descriptor that nobody would close.
      return await this.#cross(
        done => this.#shim.bpf(netns, command, attr, pointers, done),
        result => {
          if (result < 0) throw new SystemError(result, 'bpf')
          return result
        },
        signal,
        true,
      )
    } finally {
      closeNetns(netns)
    }
  }

  /**
   * Waits for the turn, crosses into the shim, and takes the result before the next one crosses, as they share
   * a receive buffer. An aborted signal ends the wait at once; the crossing itself goes on to its end unheard,
   * or, when awaited, is heard.
   */
  #cross<T = number>(
    start: (done: (result: number) => void) => number,
    take: (result: number) => T = result => result as T,
    signal?: AbortSignal,
    awaited = true,
  ): Promise<T> {
    let started = false
    let given = false
    const work = this.#turn.then(() => {
      if (given) return undefined
      started = true
      return new Promise<T>((resolve, reject) => {
        const queued = start(result => {
          if (given) return resolve(undefined as T)
          try {
            resolve(take(result))
          } catch (error) {
            reject(error)
          }
        })
        if (queued < 0) reject(new SystemError(queued, 'napi_queue_async_work'))
      })
    })
    this.#turn = work.catch(() => {})
    if (signal === undefined) return work as Promise<T>
    return new Promise<T>((resolve, reject) => {
      const abort = () => {
        if (started && awaited) return
        given = true
        reject(signal.reason)
      }
      if (signal.aborted) return abort()
      signal.addEventListener('abort', abort, { once: true })
      ;(work as Promise<T>).then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
    })
  }
}

async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<null> {
  await setTimeout(milliseconds, undefined, signal === undefined ? {} : { signal })
  return null
}
