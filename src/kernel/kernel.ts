import type { Answer, Ask, Operation } from '../wire/operation.ts'

/** Everything outside, answering while the caller waits. */
export interface Kernel {
  answer(question: Ask): Answer
}

/** Everything outside, answering later; the event loop is never held for the kernel's work. */
export interface AsyncKernel {
  /** signal: gives up waiting. A change that has been sent is awaited all the same. */
  answer(question: Ask, signal?: AbortSignal): Promise<Answer>
}

export function runSync<T>(operation: Operation<T>, kernel: Kernel): T {
  let step = operation.next()
  while (step.done !== true) step = operation.next(kernel.answer(step.value))
  return step.value
}

/**
 * Once the signal is aborted the next question fails with its reason, so that the operation can undo what it
 * did; the questions by which it does so are answered.
 */
export async function run<T>(operation: Operation<T>, kernel: AsyncKernel, signal?: AbortSignal): Promise<T> {
  let waiting = signal
  let step = operation.next()
  while (step.done !== true) {
    const answer: Answer = waiting?.aborted
      ? { failed: waiting.reason as Error }
      : await kernel.answer(step.value, waiting)
    if (waiting?.aborted) waiting = undefined
    step = operation.next(answer)
  }
  return step.value
}
