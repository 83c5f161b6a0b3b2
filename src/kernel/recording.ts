import { type ExtendedAck, Refusal, SystemError } from '../wire/errors.ts'
import { LITTLE_ENDIAN } from '../wire/netlink.ts'
import type { Netns } from '../wire/netns.ts'
import type { Answer, Answers, Ask, Failed, NetlinkAsk, Sink } from '../wire/operation.ts'
import type { AsyncKernel, Kernel, Limits } from './kernel.ts'

/** Questions with their answers, in order: what an operation saw, to be replayed on any machine. */
export type Recording = Entry[]

interface Entry {
  /** The question without what differs from run to run: sequence numbers and descriptors read as zero. */
  readonly question: Record<string, unknown>
  /** A netlink answer's messages: type and payload. */
  readonly messages: readonly { readonly type: number; readonly payload: Uint8Array }[]
  /** What bpf(2) left in its attr and in the buffers that this points to. */
  readonly written: readonly Uint8Array[]
  readonly answer: Exclude<Answer, { failed: Error }> | { readonly failed: RecordedError }
}

interface RecordedError {
  readonly message: string
  readonly errno: number
  readonly syscall: string
  /** Only for a refusal by netlink. */
  readonly ack: ExtendedAck | null
}

/** Answers as the kernel does and keeps a record. It remembers nothing from before, so that a replay can follow. */
export function record(kernel: Kernel, recording: Recording): Kernel {
  const memory = new Map<string, unknown>()
  return {
    answer(question: Ask, limits: Limits): Answer {
      if (question.kind === 'memory') return memory
      const taping = tape(question)
      const answer = kernel.answer(taping.question, limits)
      recording.push(...taping.entries(answer))
      return answer
    },
  }
}

/** The same for a kernel that answers by promises. */
export function recordAsync(kernel: AsyncKernel, recording: Recording): AsyncKernel {
  const memory = new Map<string, unknown>()
  return {
    async answer(question: Ask, limits: Limits): Promise<Answer> {
      if (question.kind === 'memory') return memory
      const taping = tape(question)
      const answer = await kernel.answer(taping.question, limits)
      recording.push(...taping.entries(answer))
      return answer
    },
  }
}

/** Answers from a recording; a question other than the recorded one fails. */
export function replay(recording: Recording): Kernel {
  const memory = new Map<string, unknown>()
  let next = 0
  return {
    answer(question: Ask, limits: Limits): Answer {
      if (question.kind === 'memory') return memory
      if (question.kind === 'together') {
        return question.questions.map(one => this.answer(one, limits) as Answers['netlink'] | Failed)
      }
      const position = next++
      const entry = recording[position]
      if (entry === undefined) return { failed: new Error(`the recording ends before question ${position}`) }
      const asked = JSON.stringify(symbolic(question), encodeValue)
      const recorded = JSON.stringify(entry.question, encodeValue)
      if (asked !== recorded) {
        return { failed: new Error(`question ${position} is ${asked}; the recording has ${recorded}`) }
      }
      return play(question, entry)
    },
  }
}

/** A recording as text. */
export function stringifyRecording(recording: Recording): string {
  return JSON.stringify(recording, encodeValue, 1)
}

/** @throws SyntaxError for text that is no recording. */
export function parseRecording(text: string): Recording {
  const recording: unknown = JSON.parse(text, decodeValue)
  if (!Array.isArray(recording)) throw new SyntaxError('a recording is a list of questions and answers')
  return recording
}

/** A question that listens to its own answer, and what is to be kept of both. */
interface Taping<Q extends Ask> {
  readonly question: Q
  entries(answer: Answer): Entry[]
}

function tape(question: Ask): Taping<Ask> {
  return question.kind === 'together' ? tapeTogether(question.questions) : tapeOne(question)
}

/** Kept one by one: a recording does not tell in how many crossings it was made. */
function tapeTogether(questions: readonly NetlinkAsk[]): Taping<Ask> {
  const tapings = questions.map(tapeOne)
  return {
    question: { kind: 'together', questions: tapings.map(taping => taping.question) },
    entries(answer) {
      const answers = Array.isArray(answer) ? (answer as Answers['together']) : questions.map(() => answer)
      return tapings.flatMap((taping, i) => taping.entries(answers[i]!))
    },
  }
}

function tapeOne<Q extends Ask>(question: Q): Taping<Q> {
  const asked = symbolic(question)
  const messages: { type: number; payload: Uint8Array }[] = []
  const each: Sink = (view, at, end, type) => {
    messages.push({ type, payload: new Uint8Array(view.buffer, view.byteOffset + at, end - at).slice() })
    if (question.kind === 'netlink') question.each(view, at, end, type)
  }
  return {
    question: question.kind === 'netlink' ? { ...question, each } : question,
    entries(answer) {
      const written =
        question.kind === 'bpf'
          ? [question.attr, ...question.pointers.map(([, to]) => to)].map(b => b.slice())
          : []
      return [{ question: asked, messages, written, answer: recordable(answer) }]
    },
  }
}

function play(question: Ask, entry: Entry): Answer {
  if (question.kind === 'netlink') {
    for (const { type, payload } of entry.messages) {
      question.each(new DataView(payload.buffer, payload.byteOffset, payload.length), 0, payload.length, type)
    }
  }
  if (question.kind === 'bpf') {
    const buffers = [question.attr, ...question.pointers.map(([, to]) => to)]
    buffers.forEach((buffer, i) => {
      buffer.set(entry.written[i]!)
    })
  }
  const { answer } = entry
  return isFailed(answer) ? { failed: revive(answer.failed) } : answer
}

/** What is the same each time that the same is asked. */
function symbolic(question: Ask): Record<string, unknown> {
  switch (question.kind) {
    case 'netlink': {
      const { kind, netns, protocol, descriptors, writes } = question
      const bytes = question.bytes.slice()
      const view = new DataView(bytes.buffer)
      view.setUint32(8, 0, LITTLE_ENDIAN) // nlmsg_seq
      for (const [at] of descriptors) view.setInt32(at, 0, LITTLE_ENDIAN)
      return { kind, netns: identity(netns), protocol, bytes, descriptors, writes }
    }
    case 'bpf':
      return {
        ...question,
        netns: identity(question.netns),
        attr: question.attr.slice(),
        pointers: question.pointers.map(([at, to]) => [at, to.slice()]),
      }
    case 'frames':
      return { ...question, netns: identity(question.netns), frame: question.frame.slice() }
    case 'identify':
      return { kind: question.kind, netns: identity(question.netns) }
    default:
      return { ...question }
  }
}

/** A handle may know more of itself than what it stands for. */
function identity({ path, inode }: Netns): Netns {
  return { path, inode }
}

function recordable(answer: Answer): Entry['answer'] {
  if (!isFailed(answer)) return answer
  const { failed } = answer
  const { errno = 0, syscall = '' } = failed as Partial<SystemError>
  return {
    failed: { message: failed.message, errno, syscall, ack: failed instanceof Refusal ? failed.ack : null },
  }
}

function revive({ message, errno, syscall, ack }: RecordedError): Error {
  if (ack !== null) return new Refusal(errno, ack)
  const error = errno === 0 ? new Error(message) : new SystemError(errno, syscall)
  error.message = message
  return error
}

function isFailed<F>(answer: unknown): answer is { failed: F } {
  return typeof answer === 'object' && answer !== null && 'failed' in answer
}

function encodeValue(_: string, value: unknown): unknown {
  if (typeof value === 'bigint') return { $bigint: String(value) }
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString('base64') }
  return value
}

function decodeValue(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if ('$bigint' in value) return BigInt(String(value.$bigint))
  if ('$bytes' in value) return new Uint8Array(Buffer.from(String(value.$bytes), 'base64'))
  return value
}
