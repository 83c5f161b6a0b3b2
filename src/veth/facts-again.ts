import { type Channels, channelsQuestion } from '../ethtool/channels.ts'
import { type GroState, groQuestion } from '../ethtool/gro.ts'
import { type XdpFeature, xdpFeaturesQuestion } from '../netdev/device.ts'
import { napiCountQuestion } from '../netdev/napi.ts'
import type { DeviceRef } from '../wire/device-ref.ts'
import type { Netns } from '../wire/netns.ts'
import { type Answers, type Failed, type Operation, type Self, settled } from '../wire/operation.ts'
import { Bundle, type Question } from '../wire/question.ts'
import { gatherFactsAnew, type PeerFacts, type RedirectFacts, type TargetFacts, wayOf } from './facts.ts'
import { napiSeen } from './napi-seen.ts'
import { Asked, agreedOrNull, MEMORY, PairQuestions, Remembered } from './pair-again.ts'
import { refOf } from './peer.ts'
import { mayHaveSeveral, queuesTold } from './queues.ts'
import type { ExplainOptions } from './way.ts'

/** What a verdict on a redirect asks of both ends of a veth pair. */
export interface BothEnds {
  readonly target: TargetFacts
  readonly peer: PeerFacts
}

/** The questions that were the right ones the last time, to be put in one go. No answer is kept. */
interface Questions {
  readonly self: Self
  readonly bundle: Bundle
  readonly pair: PairQuestions
  readonly xdpFeatures: Asked<XdpFeature[]> | null
  readonly targetChannels: Asked<Channels> | null
  readonly gro: Asked<GroState>
  readonly napi: Asked<number> | null
  readonly peerChannels: Asked<Channels> | null
}

/** Asks what was asked the last time, if it is still what to ask. @throws as gatherFactsAnew() does. */
export function gatherFacts(ref: DeviceRef, options: ExplainOptions): Operation<RedirectFacts> {
  const isPlain = options.from === undefined && options.via !== 'tx' && options.mode !== 'generic'
  return isPlain ? gatherFactsAgain(ref, options) : gatherFactsAnew(ref, options)
}

/** Written without the generators in between that others have: a verdict has no more time than a few round trips. */
function* gatherFactsAgain(ref: DeviceRef, options: ExplainOptions): Operation<RedirectFacts> {
  const memory = settled((yield MEMORY) as Answers['memory'] | Failed)
  const remembered = Remembered.of<Questions>(memory, 'questions for a verdict')
  const questions = remembered.take(ref)
  if (questions !== undefined) {
    const answers = (yield questions.bundle.begin()) as Answers['together'] | Failed
    const both = agreedOrNull(() => agreed(questions, settled(answers)))
    if (both !== null) {
      remembered.keep(ref, questions)
      const { release, pid } = questions.self
      const { target, peer } = both
      return { release, pid, way: wayOf(options, null), from: null, ref, target, peer, unreachable: null }
    }
  }
  const facts = yield* gatherFactsAnew(ref, options)
  const { target, peer } = facts
  if (target !== null && peer !== null && peer.netns !== null) {
    remembered.keep(ref, yield* questionsFor(facts, target, peer, peer.netns))
  }
  return facts
}

/** In the order in which they are sent: those for one socket follow each other. */
function* questionsFor(
  { ref, release, pid }: RedirectFacts,
  target: TargetFacts,
  peer: PeerFacts,
  peerNetns: Netns,
): Operation<Questions> {
  const all: Question<unknown>[] = []
  const there = refOf({ netns: peerNetns, link: peer.link })
  const here = refOf(target)
  const pair = new PairQuestions(ref, target, { netns: peerNetns, link: peer.link }, all)
  const xdpFeatures = target.xdpFeatures === null ? null : new Asked(yield* xdpFeaturesQuestion(here), all)
  const asksChannels = target.queues !== null && mayHaveSeveral(target.link)
  const targetChannels = asksChannels ? new Asked(yield* channelsQuestion(here), all) : null
  const gro = new Asked(yield* groQuestion(there), all)
  const napi = peer.napi === null ? null : new Asked(yield* napiCountQuestion(there), all)
  const peerChannels = mayHaveSeveral(peer.link) ? new Asked(yield* channelsQuestion(there), all) : null
  const bundle = new Bundle(all)
  return { self: { release, pid }, bundle, pair, xdpFeatures, targetChannels, gro, napi, peerChannels }
}

/** What the answers say, if they are about the pair that was meant; a refusal is thrown as that of any question. */
function agreed(questions: Questions, answers: Answers['together']): BothEnds | null {
  const { pair, xdpFeatures, targetChannels, gro, napi, peerChannels } = questions
  const links = pair.agreed(answers)
  if (links === null) return null
  const { target, peer } = links
  if (mayHaveSeveral(peer) && peerChannels === null) return null
  const queuesAtPeer = queuesTold(peer, () => peerChannels!.take(answers))
  const looksAtTarget = queuesAtPeer.tx > 1
  if (looksAtTarget && mayHaveSeveral(target) && targetChannels === null) return null
  return {
    target: {
      netns: pair.netns,
      link: target,
      xdpFeatures: xdpFeatures === null ? null : xdpFeatures.take(answers),
      queues: looksAtTarget ? queuesTold(target, () => targetChannels!.take(answers)) : null,
    },
    peer: {
      netns: pair.peerNetns,
      link: peer,
      gro: gro.take(answers),
      napi: napi === null ? null : napiSeen(napi.take(answers)),
      queues: queuesAtPeer,
    },
  }
}
