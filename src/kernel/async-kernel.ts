import { SystemError } from '../wire/errors.ts'
import { descriptorPath } from '../wire/netns.ts'
import type { Answer, Answers, Ask, Failed, NetlinkAsk } from '../wire/operation.ts'
import { areReads, Batches, type Heard, isComplete, NOTHING } from './batch.ts'
import type { AsyncKernel, Limits } from './kernel.ts'
import {
  answerAtOnce,
  bpfPointers,
  finishBinding,
  finishFrames,
  finishTracepoint,
  finishUnbinding,
  kernelFileLater,
  prepareBinding,
} from './local.ts'
import { converse, DEFAULT_TIMEOUT, LONGEST_WAIT, ReceiveBuffer } from './netlink.ts'
import { closeNetns, listNamedNetns, listNetnsInSlices, openNetns } from './netns-files.ts'
import { type Done, loadShim, type Shim } from './shim.ts'
import { Sockets } from './sockets.ts'
import { Turns } from './turns.ts'

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
  readonly #batches: Batches
  readonly #memory = new Map<string, unknown>()
  readonly #turns = new Turns()

  constructor(shim: Shim = loadShim()) {
    this.#shim = shim
    this.#sockets = new Sockets(shim)
    this.#batches = new Batches(shim, this.#sockets)
  }

  async answer(question: Ask, limits: Limits = {}): Promise<Answer> {
    try {
      return await this.#answer(question, limits)
    } catch (error) {
      return { failed: error as Error }
    }
  }

  async #answer(question: Ask, limits: Limits): Promise<Answer> {
    switch (question.kind) {
      case 'netlink':
        return await this.#netlink(question, limits)
      case 'together':
        return await this.#together(question.questions, limits)
      case 'bpf':
        return await this.#bpf(question, limits)
      case 'frames':
        return await this.#frames(question, limits)
      case 'perf event': {
        const { program, tracepoint } = question
        return finishTracepoint(
          await this.#change(done => this.#shim.openTracepoint(program, tracepoint, done)),
        )
      }
      case 'create netns': {
        const { path } = question
        prepareBinding(path)
        return finishBinding(path, await this.#change(done => this.#shim.createNetns(path, done)))
      }
      case 'remove netns': {
        const { path } = question
        return finishUnbinding(path, await this.#change(done => this.#shim.unmount(path, done)))
      }
      case 'close': {
        // The last descriptor of a bpf_link detaches its program, under the RTNL lock.
        const { fd } = question
        this.#sockets.dropAll(descriptorPath(fd))
        const result = await this.#change(done => this.#shim.close(fd, done))
        if (result < 0) throw new SystemError(result, 'close')
        return null
      }
      case 'namespaces':
        return question.held === 'by name' ? listNamedNetns() : await listNetnsInSlices(question.held)
      case 'kernel file':
        return await kernelFileLater(question)
      case 'wait':
        return await pause(question.milliseconds, limits.signal)
      default:
        return answerAtOnce(question, this.#memory)
    }
  }

  async #netlink(question: NetlinkAsk, limits: Limits): Promise<Answers['netlink']> {
    const { timeout = DEFAULT_TIMEOUT, signal } = limits
    const conversation = converse(question, this.#sockets, this.#buffer, timeout)
    try {
      let step = conversation.next()
      while (step.done !== true) {
        const { slot, request } = step.value
        const alreadySent = question.writes && request === null
        step = await this.#turns.take(
          done => {
            const { bytes, datagrams } = this.#buffer
            begin(
              this.#shim.exchange(slot(), request, bytes, datagrams, Math.min(timeout, LONGEST_WAIT), done),
              done,
            )
          },
          count => conversation.next(count),
          { signal: alreadySent ? undefined : signal, awaited: question.writes },
        )
      }
      return step.value
    } finally {
      conversation.return({ interrupted: true }) // where it was given up: closes its socket
    }
  }

  async #together(questions: readonly NetlinkAsk[], limits: Limits): Promise<Answers['together']> {
    const heard = areReads(questions) ? await this.#batch(questions, limits) : NOTHING
    if (isComplete(heard, questions)) return heard
    const answers: (Answers['netlink'] | Failed)[] = []
    for (const [i, question] of questions.entries()) {
      answers.push(heard[i] ?? (await this.#alone(question, limits)))
    }
    return answers
  }

  async #alone(question: NetlinkAsk, limits: Limits): Promise<Answers['netlink'] | Failed> {
    try {
      return await this.#netlink(question, limits)
    } catch (error) {
      return { failed: error as Error }
    }
  }

  async #batch(questions: readonly NetlinkAsk[], { signal }: Limits): Promise<readonly Heard[]> {
    const batch = this.#batches.of(questions)
    try {
      return await this.#turns.take(
        done => {
          batch.begin()
          const { sends, count, requests } = batch
          const { bytes, datagrams } = this.#buffer
          begin(this.#shim.exchangeTogether(sends, count, requests, bytes, datagrams, done), done)
        },
        count => batch.take(this.#buffer, count),
        { signal, awaited: false },
      )
    } catch (error) {
      if (signal?.aborted) throw error
      return NOTHING // the one at fault says so itself
    } finally {
      batch.end() // where it was given up: closes its sockets
    }
  }

  async #bpf(question: Extract<Ask, { kind: 'bpf' }>, { signal }: Limits): Promise<Answer> {
    const netns = openNetns(question.netns)
    try {
      const { command, attr } = question
      const pointers = bpfPointers(question)
      const result = await this.#turns.take(
        done => begin(this.#shim.bpf(netns, command, attr, pointers, done), done),
        result => result,
        { signal, awaited: true }, // the result may be a descriptor, which somebody must close
      )
      if (result < 0) throw new SystemError(result, 'bpf')
      return result
    } finally {
      closeNetns(netns)
    }
  }

  async #frames(question: Extract<Ask, { kind: 'frames' }>, { signal }: Limits): Promise<Answer> {
    const netns = openNetns(question.netns)
    try {
      const { ifindex, frame, count } = question
      return await this.#turns.take(
        done => begin(this.#shim.sendFrames(netns, ifindex, frame, count, done), done),
        result => finishFrames(question, result),
        { signal, awaited: true }, // its namespace is held by our descriptor only
      )
    } finally {
      closeNetns(netns)
    }
  }

  #change(start: (done: Done) => number): Promise<number> {
    return this.#turns.take(
      done => begin(start(done), done),
      result => result,
      { awaited: true },
    )
  }
}

/** Aborted, it fails with the signal's own reason, as everything else does. */
async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<null> {
  const { setTimeout } = await import('node:timers/promises')
  try {
    return await setTimeout(milliseconds, null, { signal })
  } catch (error) {
    throw signal?.reason ?? error
  }
}

/** The shim answers 0 when the work is queued, and otherwise why it could not be. */
function begin(queued: number, done: Done): void {
  if (queued < 0) done(queued)
}
