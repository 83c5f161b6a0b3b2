import type { Answer, Ask, Operation } from '../wire/operation.ts'

/** How long to wait for answers. */
export interface Limits {
  /** Milliseconds for each answer; the kernel's own work in between cannot be cut short. */
  readonly timeout?: number | undefined
  /** Gives up waiting; a change that has been sent is awaited all the same. Only where there are promises. */
  readonly signal?: AbortSignal | undefined
}

/** Everything outside, answering while the caller waits. */
export interface Kernel {
  answer(question: Ask, limits: Limits): Answer
}

/** Everything outside, answering later; the event loop is never held for the kernel's work. */
export interface AsyncKernel {
  answer(question: Ask, limits: Limits): Promise<Answer>
}

export function runSync<T>(operation: Operation<T>, kernel: Kernel, limits: Limits = {}): T {
  let step = operation.next()
  while (step.done !== true) step = operation.next(kernel.answer(step.value, limits))
  return step.value
}

/**
 * Once the signal is aborted, questions fail with its reason: all but those that give something back, and those
 * by which an operation undoes what it did (see sheltered()).
 */
export async function run<T>(operation: Operation<T>, kernel: AsyncKernel, limits: Limits = {}): Promise<T> {
  const { signal, timeout } = limits
  let shelters = 0
  let step = operation.next()
  while (step.done !== true) {
    const question = step.value
    if (question.kind === 'shelter') shelters += question.begins ? 1 : -1
    const bound = shelters === 0 && question.kind !== 'close' && question.kind !== 'shelter'
    const answer: Answer =
      bound && signal?.aborted
        ? { failed: signal.reason as Error }
        : await kernel.answer(question, bound ? limits : { timeout })
    step = operation.next(answer)
  }
  return step.value
}
