import type { Link } from '../src/sync.ts'
import { type Contestant, OURS_PROMISES, OURS_SYNC, timed, timedAsync } from './contestant.ts'
import { ourKeeping, ourStart } from './ours-process.ts'
import { promises, sync } from './published.ts'
import type { Scene } from './scene.ts'
import type { What } from './works.ts'

const NAMES = ['name', 'index'] as const

/** Each makes what does the work once. */
const SYNC: Record<What, (scene: Scene) => () => unknown> = {
  links: scene => () => sync.listLinks({ netns: scene.netns }),
  names: scene => () => sync.listLinks({ netns: scene.netns, fields: NAMES }),
  visit: scene => () => {
    const counter = counting(scene)
    sync.forEachLink(counter.visit, { netns: scene.netns })
    counter.check()
  },
  'by-name': scene => {
    const veth = sync.device(scene.name, { netns: scene.netns })
    return () => veth.getLink()
  },
  'by-index': scene => {
    const veth = sync.device(scene.index, { netns: scene.netns })
    return () => veth.getLink()
  },
  features: scene => {
    const veth = sync.device(scene.name, { netns: scene.netns })
    return () => veth.getFeatures()
  },
  toggle: scene => {
    const veth = sync.device(scene.name, { netns: scene.netns })
    return () => {
      veth.setFeature('gro', false)
      veth.setFeature('gro', true)
    }
  },
  peer: scene => {
    const veth = sync.device(scene.name, { netns: scene.netns })
    return () => veth.getVethPeer()
  },
  verdict: scene => {
    const veth = sync.device(scene.name, { netns: scene.netns })
    return () => veth.explainRedirect()
  },
  pair:
    ({ netns, name, peer }) =>
    () =>
      sync.createVethPair({ netns, name, peer: { name: peer } })[0].delete(),
}

const PROMISES: Record<What, (scene: Scene) => () => Promise<unknown>> = {
  links: scene => () => promises.listLinks({ netns: scene.netns }),
  names: scene => () => promises.listLinks({ netns: scene.netns, fields: NAMES }),
  visit: scene => async () => {
    const counter = counting(scene)
    await promises.forEachLink(counter.visit, { netns: scene.netns })
    counter.check()
  },
  'by-name': scene => {
    const veth = promises.device(scene.name, { netns: scene.netns })
    return () => veth.getLink()
  },
  'by-index': scene => {
    const veth = promises.device(scene.index, { netns: scene.netns })
    return () => veth.getLink()
  },
  features: scene => {
    const veth = promises.device(scene.name, { netns: scene.netns })
    return () => veth.getFeatures()
  },
  toggle: scene => {
    const veth = promises.device(scene.name, { netns: scene.netns })
    return async () => {
      await veth.setFeature('gro', false)
      await veth.setFeature('gro', true)
    }
  },
  peer: scene => {
    const veth = promises.device(scene.name, { netns: scene.netns })
    return () => veth.getVethPeer()
  },
  verdict: scene => {
    const veth = promises.device(scene.name, { netns: scene.netns })
    return () => veth.explainRedirect()
  },
  pair:
    ({ netns, name, peer }) =>
    async () => {
      const [made] = await promises.createVethPair({ netns, name, peer: { name: peer } })
      await made.delete()
    },
}

export function oursSync(): Contestant {
  return {
    name: OURS_SYNC,
    can: Object.keys(SYNC) as What[],
    warmsUp: true,
    async turn({ what, scene, repeats, warmUp }) {
      const once = SYNC[what](scene)
      for (let i = 0; i < warmUp; i++) once()
      const all = timed(() => {
        for (let i = 0; i < repeats; i++) once()
      })
      return all / repeats
    },
    keep: ourKeeping,
    start: () => ourStart('sync.js'),
  }
}

/** The same by promises, one awaited after the other. */
export function oursPromises(): Contestant {
  return {
    name: OURS_PROMISES,
    can: Object.keys(PROMISES) as What[],
    warmsUp: true,
    async turn({ what, scene, repeats, warmUp }) {
      const once = PROMISES[what](scene)
      for (let i = 0; i < warmUp; i++) await once()
      const all = await timedAsync(async () => {
        for (let i = 0; i < repeats; i++) await once()
      })
      return all / repeats
    },
    start: () => ourStart('index.js', 'await '),
  }
}

/** Sees each link, and that none was missed. */
function counting({ links }: Scene) {
  let seen = 0
  return {
    visit(link: Link) {
      if (link.index > 0) seen++
    },
    check() {
      if (seen !== links) throw new Error(`${seen} links, where ${links} were made`)
    },
  }
}
