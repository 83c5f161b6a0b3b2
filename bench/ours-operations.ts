import { getFeatures, setFeature } from '../src/ethtool/features.ts'
import { getLink, listLinkFields, listLinks, visitLinks } from '../src/rtnetlink/link-operations.ts'
import { forEthtool } from '../src/veth/by-index.ts'
import { explainRedirect } from '../src/veth/explain.ts'
import { getVethPeer } from '../src/veth/pair-again.ts'
import type { Operation } from '../src/wire/operation.ts'
import type { Scene } from './scene.ts'
import type { What, Work } from './works.ts'

/** The operation under each work of ours, for its request bytes. */
const OPERATIONS: Record<Exclude<What, 'pair'>, (scene: Scene) => Operation<unknown>> = {
  links: ({ netns }) => listLinks(netns),
  names: ({ netns }) => listLinkFields(netns, ['name', 'index']),
  visit: ({ netns }) => visitLinks(netns, () => {}),
  'by-name': ({ netns, name }) => getLink({ netns, device: name }),
  'by-index': ({ netns, index }) => getLink({ netns, device: index }),
  features: ({ netns, name }) => forEthtool({ netns, device: name }, getFeatures),
  toggle: offAndOn,
  peer: ({ netns, name }) => getVethPeer({ netns, device: name }),
  verdict: ({ netns, name }) => explainRedirect({ netns, device: name }, {}),
}

export function operationOf({ what, scene }: Work): Operation<unknown> {
  if (what === 'pair') throw new Error('the bytes that delete a pair are others each time')
  return OPERATIONS[what](scene)
}

function* offAndOn({ netns, name }: Scene): Operation<void> {
  for (const on of [false, true]) {
    yield* forEthtool({ netns, device: name }, ref => setFeature(ref, 'gro', on))
  }
}
