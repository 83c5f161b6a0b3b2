import { withDescriptor } from '../bpf/descriptor.ts'
import { openProgram } from '../bpf/program.ts'
import { setChannels } from '../ethtool/channels.ts'
import { getGro, setFeature } from '../ethtool/features.ts'
import { getLinkState, setLink } from '../rtnetlink/link-operations.ts'
import { detachXdp } from '../rtnetlink/xdp-attach.ts'
import type { IndexRef } from '../wire/device-ref.ts'
import type { Operation } from '../wire/operation.ts'

/** What takes one step back, by the device's index: a name may change meanwhile. */
export type Undo =
  | { readonly kind: 'up'; readonly ref: IndexRef; readonly up: boolean }
  | { readonly kind: 'gro'; readonly ref: IndexRef; readonly on: boolean }
  | { readonly kind: 'channels'; readonly ref: IndexRef; readonly counts: { rx: number; tx: number } }
  | { readonly kind: 'native program'; readonly ref: IndexRef; readonly programId: number }

/**
 * Takes the steps back, last one first. One that fails does not keep the others from it.
 * @throws the one failure, or an AggregateError of several.
 */
export function* undoRepair(undo: readonly Undo[]): Operation<void> {
  const failures: Error[] = []
  for (const step of undo.toReversed()) {
    try {
      yield* takeBack(step)
    } catch (error) {
      failures.push(error as Error)
    }
  }
  if (failures.length === 1) throw failures[0]!
  if (failures.length > 1) {
    throw new AggregateError(failures, failures.map(({ message }) => message).join('; '))
  }
}

/** What is so already, as where a step did not get as far, is left alone. */
function* takeBack(step: Undo): Operation<void> {
  const { ref } = step
  switch (step.kind) {
    case 'up':
      if ((yield* getLinkState(ref)).up !== step.up) yield* setLink(ref, { up: step.up })
      return
    case 'gro':
      if ((yield* getGro(ref)).wanted !== step.on) yield* setFeature(ref, 'gro', step.on)
      return
    case 'channels':
      yield* setChannels(ref, step.counts)
      return
    case 'native program':
      if ((yield* getLinkState(ref)).xdp?.nativeProgramId === step.programId) {
        yield* withDescriptor(openProgram(step.programId), program => detachXdp(ref, 'native', program))
      }
      return
  }
}
