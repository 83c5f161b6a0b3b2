import { type Channels, channelsQuestion } from '../ethtool/channels.ts'
import { type GroState, groQuestion } from '../ethtool/gro.ts'
import { type XdpFeature, xdpFeaturesQuestion } from '../netdev/device.ts'
import { napiCountQuestion } from '../netdev/napi.ts'
import type { LinkExcerpt } from '../rtnetlink/link-excerpt.ts'
import { linkExcerptQuestion } from '../rtnetlink/link-operations.ts'
import { netnsIdQuestion } from '../rtnetlink/netns-id.ts'
import type { DeviceRef, IndexRef } from '../wire/device-ref.ts'
import { InterruptedDumpError, SystemError } from '../wire/errors.ts'
import type { Netns } from '../wire/netns.ts'
import { type Answers, ask, type Operation } from '../wire/operation.ts'
import { type Question, together } from '../wire/question.ts'
import type { PeerFacts, RedirectFacts, TargetFacts } from './facts.ts'
import { napiSeen } from './napi-seen.ts'
import { refOf } from './peer.ts'
import { mayHaveSeveral, queuesTold } from './queues.ts'

/** What a verdict on a redirect asks of both ends of a veth pair. */
export interface BothEnds {
  readonly target: TargetFacts
  readonly peer: PeerFacts
}

/**
 * The questions that were the right ones the last time, to be put in one go. No answer is kept: which device the target
 * is, and where its peer, are guesses until the answers agree with them.
 */
interface Questions {
  readonly netns: Netns
  readonly peerNetns: Netns
  readonly index: number
  /** In the order in which they are sent: those for one socket follow each other. */
  readonly all: readonly Question<unknown>[]
  readonly target: Place<LinkExcerpt>
  /** null: the peer is in the same namespace. */
  readonly netnsId: Place<number | null> | null
  readonly peer: Place<LinkExcerpt>
  readonly xdpFeatures: Place<XdpFeature[]> | null
  readonly targetChannels: Place<Channels> | null
  readonly gro: Place<GroState>
  readonly napi: Place<number> | null
  readonly peerChannels: Place<Channels> | null
}

/** A question, and where it is among all. */
interface Place<T> {
  readonly question: Question<T>
  readonly at: number
}

type Memory = Map<string, Questions>

/** How many devices' questions are remembered; those that were put longest ago go first. */
const MOST = 256

/** Asks what was asked the last time. null: there was none, or it is no longer what to ask. */
export function* askAgain(ref: DeviceRef): Operation<BothEnds | null> {
  const memory = yield* remembered()
  const key = keyOf(ref)
  const questions = memory.get(key)
  if (questions === undefined) return null
  memory.delete(key) // nobody else puts them meanwhile
  try {
    const answers = yield* together(questions.all)
    const facts = agreed(questions, answers)
    if (facts !== null) memory.set(key, questions)
    return facts
  } catch (error) {
    if (error instanceof SystemError || error instanceof InterruptedDumpError) return null
    throw error
  }
}

/** Makes the questions for the next time, where there is a peer to be asked. */
export function* rememberFor(ref: DeviceRef, { target, peer }: RedirectFacts): Operation<void> {
  if (target === null || peer === null || peer.netns === null) return
  const memory = yield* remembered()
  const oldest = memory.size < MOST ? undefined : memory.keys().next().value
  if (oldest !== undefined) memory.delete(oldest)
  memory.set(keyOf(ref), yield* questionsFor(ref, target, peer, peer.netns))
}

function* questionsFor(
  ref: DeviceRef,
  target: TargetFacts,
  peer: PeerFacts,
  peerNetns: Netns,
): Operation<Questions> {
  const all: Question<unknown>[] = []
  const place = <T>(question: Question<T>): Place<T> => ({ question, at: all.push(question) - 1 })
  const there: IndexRef = refOf({ netns: peerNetns, link: peer.link })
  const here = refOf(target)
  return {
    netns: ref.netns,
    peerNetns,
    index: target.link.index,
    all,
    target: place(linkExcerptQuestion(ref)),
    netnsId: target.link.linkNetnsId === null ? null : place(netnsIdQuestion(ref.netns, peerNetns)),
    peer: place(linkExcerptQuestion(there)),
    xdpFeatures: target.xdpFeatures === null ? null : place(yield* xdpFeaturesQuestion(here)),
    targetChannels:
      target.queues !== null && mayHaveSeveral(target.link) ? place(yield* channelsQuestion(here)) : null,
    gro: place(yield* groQuestion(there)),
    napi: peer.napi === null ? null : place(yield* napiCountQuestion(there)),
    peerChannels: mayHaveSeveral(peer.link) ? place(yield* channelsQuestion(there)) : null,
  }
}

/** What the answers say, if they are about the pair that was meant; a refusal is thrown as that of any question. */
function agreed(questions: Questions, answers: Answers['together']): BothEnds | null {
  const { netns, peerNetns, index } = questions
  const target = taken(questions.target, answers)
  if (target.kind !== 'veth' || target.index !== index) return null
  // The peer's index counts in the namespace that has this id, and in no other.
  if (target.linkNetnsId !== (questions.netnsId === null ? null : taken(questions.netnsId, answers)))
    return null
  const peer = taken(questions.peer, answers)
  if (peer.kind !== 'veth' || peer.index !== target.link || peer.link !== index) return null
  if (mayHaveSeveral(peer) && questions.peerChannels === null) return null
  const queuesAtPeer = queuesTold(peer, () => taken(questions.peerChannels!, answers))
  const looksAtTarget = queuesAtPeer.tx > 1
  if (looksAtTarget && mayHaveSeveral(target) && questions.targetChannels === null) return null
  return {
    target: {
      netns,
      link: target,
      xdpFeatures: questions.xdpFeatures === null ? null : taken(questions.xdpFeatures, answers),
      queues: looksAtTarget ? queuesTold(target, () => taken(questions.targetChannels!, answers)) : null,
    },
    peer: {
      netns: peerNetns,
      link: peer,
      gro: taken(questions.gro, answers),
      napi: questions.napi === null ? null : napiSeen(taken(questions.napi, answers)),
      queues: queuesAtPeer,
    },
  }
}

function taken<T>({ question, at }: Place<T>, answers: Answers['together']): T {
  return question.take(answers[at]!)
}

function* remembered(): Operation<Memory> {
  const memory = yield* ask<'memory'>({ kind: 'memory' })
  const known = (memory.get(REMEMBERED) as Memory | undefined) ?? new Map<string, Questions>()
  memory.set(REMEMBERED, known)
  return known
}
const REMEMBERED = 'questions for a verdict'

/** A name has no '/', so an index is told apart. Made once for each handle: it asks by the same reference each time. */
function keyOf(ref: DeviceRef): string {
  const known = keys.get(ref)
  if (known !== undefined) return known
  const { netns, device } = ref
  const key = `${typeof device === 'number' ? '/' : ''}${device} ${netns.inode} ${netns.path}`
  keys.set(ref, key)
  return key
}
const keys = new WeakMap<DeviceRef, string>()
