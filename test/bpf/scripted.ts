import { SystemError } from '../../src/wire/errors.ts'
import type { Answer, Ask, Operation } from '../../src/wire/operation.ts'

type BpfAsk = Extract<Ask, { kind: 'bpf' }>

/** What a script says to a bpf(2) call: the value returned, or the error's number, negative. */
export type Script = (question: BpfAsk, nth: number) => number

/** Runs an operation against a script; tells what was asked, as 'bpf 5' and 'close 7'. */
export function play<T>(operation: Operation<T>, script: Script): { asked: string[]; outcome: T | Error } {
  const asked: string[] = []
  let calls = 0
  const answer = (question: Ask): Answer => {
    asked.push(
      question.kind === 'bpf' ? `bpf ${question.command}` : `close ${(question as { fd: number }).fd}`,
    )
    if (question.kind !== 'bpf') return null
    const result = script(question, calls++)
    return result < 0 ? { failed: new SystemError(result, 'bpf') } : result
  }
  try {
    let step = operation.next()
    while (step.done !== true) step = operation.next(answer(step.value))
    return { asked, outcome: step.value }
  } catch (error) {
    return { asked, outcome: error as Error }
  }
}

/** The buffer that goes to an offset of the attributes, or null. */
export function buffer(question: BpfAsk, offset: number): Uint8Array | null {
  return question.pointers.find(([at]) => at === offset)?.[1] ?? null
}

/** A u32 of the attributes. */
export function u32(question: BpfAsk, offset: number): number {
  return new Uint32Array(question.attr.slice(offset, offset + 4).buffer)[0]!
}
