import { withDescriptor } from '../bpf/descriptor.ts'
import { openProgram } from '../bpf/program.ts'
import { setChannels } from '../ethtool/channels.ts'
import { getGro, setFeature } from '../ethtool/features.ts'
import type { Link } from '../rtnetlink/link.ts'
import { getLink, setLink } from '../rtnetlink/link-operations.ts'
import { detachXdp } from '../rtnetlink/xdp-attach.ts'
import { NetlinkError } from '../wire/errors.ts'
import type { Operation } from '../wire/operation.ts'
import { refOf, type VethEnd } from './peer.ts'
import { at, subjectOf } from './step.ts'

/** What takes one step back. */
export type Undo = { readonly end: VethEnd; readonly address: string } & (
  | { readonly kind: 'up'; readonly up: boolean }
  | { readonly kind: 'gro'; readonly on: boolean }
  | { readonly kind: 'channels'; readonly counts: { rx: number; tx: number } }
  | { readonly kind: 'native program'; readonly programId: number }
)

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
  const { up, xdp } = yield* sameLink(step)
  const ref = refOf(step.end)
  switch (step.kind) {
    case 'up':
      if (up !== step.up) yield* setLink(ref, { up: step.up })
      return
    case 'gro':
      if ((yield* getGro(ref)).wanted !== step.on) yield* setFeature(ref, 'gro', step.on)
      return
    case 'channels':
      yield* setChannels(ref, step.counts)
      return
    case 'native program':
      if (xdp?.nativeProgramId === step.programId) {
        yield* withDescriptor(openProgram(step.programId), program => detachXdp(ref, 'native', program))
      }
      return
  }
}

/**
 * The device that was changed, by its index, as its name may be another by now. An index, too, may be another
 * device's: then nothing is done to that.
 */
function* sameLink({ end, address, kind }: Undo): Operation<Link> {
  const what = `'${kind}' of ${at(subjectOf(end))} is not taken back`
  let link: Link
  try {
    link = yield* getLink(refOf(end))
  } catch (error) {
    if (!(error instanceof NetlinkError && error.code === 'ENODEV')) throw error
    throw new Error(
      `${what}: the device is not there any more; if it was moved, it keeps the change where it is`,
      { cause: error },
    )
  }
  if (link.kind === 'veth' && link.address === address && link.link === end.link.link) return link
  throw new Error(
    `${what}: its index ${end.link.index} is another device's by now, or it has another address or peer`,
  )
}
