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
import { type Answers, type Failed, type Operation, type Self, settled } from '../wire/operation.ts'
import { Bundle, type Question } from '../wire/question.ts'
import { gatherFactsAnew, type PeerFacts, type RedirectFacts, type TargetFacts, wayOf } from './facts.ts'
import { napiSeen } from './napi-seen.ts'
import { refOf } from './peer.ts'
import { mayHaveSeveral, queuesTold } from './queues.ts'
import type { ExplainOptions } from './way.ts'

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
  readonly self: Self
  readonly netns: Netns
  readonly peerNetns: Netns
  readonly index: number
  /** All of them, in the order in which they are sent: those for one socket follow each other. */
  readonly bundle: Bundle
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

/** Asks what was asked the last time, if it is still what to ask. @throws as gatherFactsAnew() does. */
export function gatherFacts(ref: DeviceRef, options: ExplainOptions): Operation<RedirectFacts> {
  const isPlain = options.from === undefined && options.via !== 'tx' && options.mode !== 'generic'
  return isPlain ? gatherFactsAgain(ref, options) : gatherFactsAnew(ref, options)
}

/** Written without the generators in between that others have: a verdict has no more time than a few round trips. */
function* gatherFactsAgain(ref: DeviceRef, options: ExplainOptions): Operation<RedirectFacts> {
  const memory = remembered(settled((yield MEMORY) as Answers['memory'] | Failed))
  const key = keyOf(ref)
  const questions = memory.get(key)
  if (questions !== undefined) {
    memory.delete(key) // nobody else puts them meanwhile
    const both = agreedOrNull(questions, (yield questions.bundle.begin()) as Answers['together'] | Failed)
    if (both !== null) {
      memory.set(key, questions)
      const { release, pid } = questions.self
      const { target, peer } = both
      return { release, pid, way: wayOf(options, null), from: null, ref, target, peer, unreachable: null }
    }
  }
  const facts = yield* gatherFactsAnew(ref, options)
  const { target, peer } = facts
  if (target !== null && peer !== null && peer.netns !== null) {
    const oldest = memory.size < MOST ? undefined : memory.keys().next().value
    if (oldest !== undefined) memory.delete(oldest)
    memory.set(key, yield* questionsFor(facts, target, peer, peer.netns))
  }
  return facts
}

function* questionsFor(
  { ref, release, pid }: RedirectFacts,
  target: TargetFacts,
  peer: PeerFacts,
  peerNetns: Netns,
): Operation<Questions> {
  const all: Question<unknown>[] = []
  const place = <T>(question: Question<T>): Place<T> => ({ question, at: all.push(question) - 1 })
  const there: IndexRef = refOf({ netns: peerNetns, link: peer.link })
  const here = refOf(target)
  const asked = {
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
  const self = { release, pid }
  return { self, netns: ref.netns, peerNetns, index: target.link.index, bundle: new Bundle(all), ...asked }
}

/** null where they are no longer the right questions: an answer that says so, or a refusal. */
function agreedOrNull(questions: Questions, answers: Answers['together'] | Failed): BothEnds | null {
  try {
    return agreed(questions, settled(answers))
  } catch (error) {
    if (error instanceof SystemError || error instanceof InterruptedDumpError) return null
    throw error
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

function remembered(memory: Answers['memory']): Memory {
  const known = (memory.get(REMEMBERED) as Memory | undefined) ?? new Map<string, Questions>()
  memory.set(REMEMBERED, known)
  return known
}
const REMEMBERED = 'questions for a verdict'
const MEMORY = { kind: 'memory' } as const

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
