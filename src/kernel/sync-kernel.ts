import { SystemError } from '../wire/errors.ts'
import { descriptorPath } from '../wire/netns.ts'
import type { Answer, Answers, Ask, Failed, NetlinkAsk } from '../wire/operation.ts'
import { areReads, Batches, type Heard, isComplete, NOTHING } from './batch.ts'
import type { Kernel, Limits } from './kernel.ts'
import {
  answerAtOnce,
  bpfPointers,
  finishBinding,
  finishFrames,
  finishTracepoint,
  finishUnbinding,
  kernelFile,
  prepareBinding,
} from './local.ts'
import { converse, DEFAULT_TIMEOUT, LONGEST_WAIT, ReceiveBuffer } from './netlink.ts'
import { closeNetns, listNamedNetns, listProcessNetns, listThreadNetns, openNetns } from './netns-files.ts'
import { loadShim, type Shim } from './shim.ts'
import { Sockets } from './sockets.ts'

/** A dump's datagrams are received in one go as long as this has room. */
const BUFFER = 512 * 1024

/** The kernel itself, answering on the calling thread. */
export class SyncKernel implements Kernel {
  readonly #shim: Shim
  readonly #sockets: Sockets
  /** null while a dump's visitor asks something else meanwhile, which then has another one. */
  #buffer: ReceiveBuffer | null = new ReceiveBuffer(BUFFER)
  readonly #batches: Batches
  readonly #memory = new Map<string, unknown>()

  constructor(shim: Shim = loadShim()) {
    this.#shim = shim
    this.#sockets = new Sockets(shim)
    this.#batches = new Batches(shim, this.#sockets)
  }

  answer(question: Ask, { timeout = DEFAULT_TIMEOUT }: Limits = {}): Answer {
    try {
      return this.#answer(question, timeout)
    } catch (error) {
      return { failed: error as Error }
    }
  }

  #answer(question: Ask, timeout: number): Answer {
    switch (question.kind) {
      case 'netlink':
        return this.#netlink(question, timeout)
      case 'together':
        return this.#together(question.questions, timeout)
      case 'bpf':
        return this.#bpf(question)
      case 'frames':
        return this.#frames(question)
      case 'perf event':
        return finishTracepoint(this.#shim.openTracepoint(question.program, question.tracepoint))
      case 'create netns':
        prepareBinding(question.path)
        return finishBinding(question.path, this.#shim.createNetns(question.path))
      case 'remove netns':
        return finishUnbinding(question.path, this.#shim.unmount(question.path))
      case 'close': {
        this.#sockets.dropAll(descriptorPath(question.fd))
        const result = this.#shim.close(question.fd)
        if (result < 0) throw new SystemError(result, 'close')
        return null
      }
      case 'namespaces':
        if (question.held === 'by name') return listNamedNetns()
        return question.held === 'by process' ? listProcessNetns() : listThreadNetns()
      case 'kernel file':
        return kernelFile(question)
      case 'wait':
        Atomics.wait(NEVER, 0, 0, question.milliseconds)
        return null
      default:
        return answerAtOnce(question, this.#memory)
    }
  }

  #netlink(question: NetlinkAsk, timeout: number): Answers['netlink'] {
    return this.#receiving(buffer => {
      const conversation = converse(question, this.#sockets, buffer, timeout)
      try {
        let step = conversation.next()
        while (step.done !== true) {
          const { slot, request } = step.value
          const { bytes, datagrams } = buffer
          step = conversation.next(
            this.#shim.exchange(slot(), request, bytes, datagrams, Math.min(timeout, LONGEST_WAIT)),
          )
        }
        return step.value
      } catch (error) {
        conversation.return({ interrupted: true }) // where there was no socket: closes what it had opened
        throw error
      }
    })
  }

  /** Lends the buffer. */
  #receiving<T>(work: (buffer: ReceiveBuffer) => T): T {
    const buffer = this.#buffer ?? new ReceiveBuffer(BUFFER)
    this.#buffer = null
    try {
      return work(buffer)
    } finally {
      this.#buffer = buffer
    }
  }

  #together(questions: readonly NetlinkAsk[], timeout: number): Answers['together'] {
    const heard = areReads(questions) ? this.#batch(questions) : NOTHING
    if (isComplete(heard, questions)) return heard
    return questions.map((question, i) => heard[i] ?? this.#alone(question, timeout))
  }

  #alone(question: NetlinkAsk, timeout: number): Answers['netlink'] | Failed {
    try {
      return this.#netlink(question, timeout)
    } catch (error) {
      return { failed: error as Error }
    }
  }

  #batch(questions: readonly NetlinkAsk[]): readonly Heard[] {
    const batch = this.#batches.of(questions)
    try {
      return this.#receiving(buffer => {
        batch.begin()
        const { sends, count, requests } = batch
        const { bytes, datagrams } = buffer
        return batch.take(buffer, this.#shim.exchangeTogether(sends, count, requests, bytes, datagrams))
      })
    } catch {
      return NOTHING // the one at fault says so itself
    } finally {
      batch.end()
    }
  }

  #bpf(question: Extract<Ask, { kind: 'bpf' }>): Answer {
    const netns = openNetns(question.netns)
    try {
      const result = this.#shim.bpf(netns, question.command, question.attr, bpfPointers(question))
      if (result < 0) throw new SystemError(result, 'bpf')
      return result
    } finally {
      closeNetns(netns)
    }
  }

  #frames(question: Extract<Ask, { kind: 'frames' }>): Answer {
    const netns = openNetns(question.netns)
    try {
      const { ifindex, frame, count } = question
      return finishFrames(question, this.#shim.sendFrames(netns, ifindex, frame, count))
    } finally {
      closeNetns(netns)
    }
  }
}

const NEVER = new Int32Array(new SharedArrayBuffer(4))
