import { listLinkStates } from '../rtnetlink/link-operations.ts'
import type { Netns } from '../wire/netns.ts'
import { ask, type Operation } from '../wire/operation.ts'
import { explainRedirect } from './explain.ts'
import { gatherPairFacts } from './facts.ts'
import { judge } from './judge.ts'
import { idOf, isOutOfReach } from './netns-search.ts'
import { type ListedPair, listVethPairs } from './pairs.ts'
import { refOf, type VethEnd, type VethPair } from './peer.ts'
import type { Verdict } from './verdict.ts'

/** What a native-mode redirect of a short frame into each end would come to. */
export interface PairVerdicts {
  readonly target: Verdict
  /** null for a peer out of reach. */
  readonly peer: Verdict | null
}

export interface SweptPair extends ListedPair {
  /** null where they were not asked for. */
  readonly verdicts: PairVerdicts | null
}

/** The pairs of one namespace or of all, as listVethPairs() and sweepVethPairs() find them, explained or not. */
export function* explainPairs(netns: Netns | 'all', verdicts: boolean): Operation<SweptPair[]> {
  const pairs = yield* netns === 'all' ? sweepVethPairs() : listVethPairs(netns)
  const swept: SweptPair[] = []
  for (const pair of pairs) {
    const explained = verdicts ? yield* explainPair(pair) : null
    if (!verdicts || explained !== null) swept.push({ ...pair, verdicts: explained })
  }
  return swept
}

/**
 * All veth pairs with an end in a namespace that can be found and entered, each once. Every namespace's links are
 * read in one go, and ends are put together by what the kernel says of both: so none is looked for one by one.
 */
function* sweepVethPairs(): Operation<ListedPair[]> {
  const veths = yield* allVeths()
  const byIndex = new Map<number, VethEnd[]>()
  for (const end of veths) byIndex.set(end.link.index, [...(byIndex.get(end.link.index) ?? []), end])
  const ids: NetnsIds = new Map()
  const paired = new Set<VethEnd>()
  const pairs: ListedPair[] = []
  for (const target of veths) {
    if (paired.has(target)) continue
    const peer = yield* peerAmong(byIndex.get(target.link.link) ?? [], target, ids)
    if (peer !== null) paired.add(peer)
    pairs.push({ target, peer })
  }
  return pairs
}

/** Both ends' verdicts; null for a pair that is gone meanwhile. */
function* explainPair({ target, peer }: ListedPair): Operation<PairVerdicts | null> {
  try {
    if (peer === null) return { target: yield* explainRedirect(refOf(target), {}), peer: null }
    const pair: VethPair = { target, peer }
    const back: VethPair = { target: peer, peer: target }
    return { target: judge(yield* gatherPairFacts(pair)), peer: judge(yield* gatherPairFacts(back)) }
  } catch (error) {
    if (isOutOfReach(error)) return null
    throw error
  }
}

function* allVeths(): Operation<VethEnd[]> {
  const veths: VethEnd[] = []
  for (const netns of yield* listAllNetns()) {
    try {
      for (const link of yield* listLinkStates(netns)) if (link.kind === 'veth') veths.push({ netns, link })
    } catch (error) {
      if (!isOutOfReach(error)) throw error // a namespace that ended, or that we may not enter
    }
  }
  return veths
}

/** Each namespace once, by the shortest way to it: our own, names, processes, threads. */
export function* listAllNetns(): Operation<Netns[]> {
  const own: Netns = { path: '', inode: null }
  const { inode } = yield* ask<'identify'>({ kind: 'identify', netns: own })
  const seen = new Set([inode])
  const all = [own]
  for (const held of ['by name', 'by process', 'by thread'] as const) {
    for (const netns of yield* ask<'namespaces'>({ kind: 'namespaces', held })) {
      if (netns.inode === null || seen.has(netns.inode)) continue
      seen.add(netns.inode)
      all.push(netns)
    }
  }
  return all
}

/** Indexes count per namespace, so of those that fit the one is meant whose namespace has the id that the link names. */
function* peerAmong(
  candidates: readonly VethEnd[],
  { netns, link }: VethEnd,
  ids: NetnsIds,
): Operation<VethEnd | null> {
  for (const candidate of candidates) {
    if (candidate.link.link !== link.index) continue
    if (link.linkNetnsId === null) {
      if (candidate.netns === netns && candidate.link.linkNetnsId === null) return candidate
    } else if (
      candidate.netns !== netns &&
      (yield* idKnown(ids, netns, candidate.netns)) === link.linkNetnsId
    ) {
      return candidate
    }
  }
  return null
}

/** By which id one namespace knows another, asked once a sweep. */
type NetnsIds = Map<string, number | null>

function* idKnown(ids: NetnsIds, netns: Netns, other: Netns): Operation<number | null> {
  const key = `${netns.path} ${other.path}`
  const known = ids.get(key)
  if (known !== undefined) return known
  const id = yield* idOf(netns, other)
  ids.set(key, id)
  return id
}
