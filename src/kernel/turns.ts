import { onAbort } from './abort.ts'

/** What becomes of a piece of work whose caller gives up. */
export interface Patience {
  readonly signal?: AbortSignal | undefined
  /** Once begun its outcome is heard, whatever the signal says. */
  readonly awaited: boolean
}

/** Work for the pool thread, one piece at a time, in the order in which it was given. */
export class Turns {
  /** Settles when the piece that was given last is over. */
  #last: Promise<unknown> = Promise.resolve()

  /**
   * Begins the work when its turn has come, and takes its result before the next turn. An aborted signal ends
   * the wait at once: work that has not begun is never begun, work that has goes on to its end unheard.
   */
  take<T>(
    begin: (done: (result: number) => void) => void,
    take: (result: number) => T,
    { signal, awaited }: Patience,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let state: 'waiting' | 'begun' | 'given up' = 'waiting'
      const abort = () => {
        if (state === 'begun' && awaited) return
        state = 'given up'
        forget()
        reject(signal?.reason)
      }
      const work = async () => {
        if (state === 'given up') return
        state = 'begun'
        try {
          const result = await new Promise<number>(begin).finally(forget)
          if (state === 'begun') resolve(take(result))
        } catch (error) {
          reject(error)
        }
      }
      const forget = onAbort(signal, abort)
      if (signal?.aborted) abort()
      this.#last = this.#last.then(work)
    })
  }
}
