import { acrossNetns, emptyNetns, type Scene } from './scene.ts'

/** What is done. The peers' programs know it by these names. */
export type What =
  | 'links'
  | 'names'
  | 'visit'
  | 'by-name'
  | 'by-index'
  | 'features'
  | 'toggle'
  | 'peer'
  | 'verdict'
  | 'pair'

/** A work that everyone does who can: a table of the report. */
export interface Work {
  /** What, and of how many links where that makes the work: 'links-4001'. */
  readonly id: string
  readonly what: What
  readonly title: string
  readonly scene: Scene
  /** How often in each turn, after a warm-up that is not counted. */
  readonly repeats: number
  readonly warmUp: number
}

export interface Sizes {
  /** Links in the namespaces that are dumped; the requests for one link go into the middle one. */
  readonly links: readonly number[]
  /** Requests of some microseconds in a turn. */
  readonly gets: number
  /** Pairs made and deleted in a turn: some milliseconds each. */
  readonly pairs: number
}

const TITLES = {
  links: 'all links, every field decoded, kept',
  names: 'all links, names and indexes wanted, kept',
  visit: 'all links, every field decoded, handed out one by one, not kept',
} as const

/** In the order of the report. `wanted` decides by a work's id; scenes that no wanted work needs are not made. */
export function makeWorks(
  { links, gets, pairs }: Sizes,
  wanted: (id: string) => boolean,
  withLinks: (count: number) => Scene,
): Work[] {
  const works: Work[] = []
  const scenes = new Map<string, Scene>()
  const add = (
    id: string,
    what: What,
    title: string,
    place: [string, () => Scene],
    repeats: number,
    warmUp = repeats >> 3,
  ) => {
    if (!wanted(id)) return
    const [where, make] = place
    const scene = scenes.get(where) ?? make()
    scenes.set(where, scene)
    works.push({ id, what, title, scene, repeats, warmUp })
  }
  const many = (count: number): [string, () => Scene] => [`${count} links`, () => withLinks(count)]
  const most = Math.max(...links)
  for (const what of ['links', 'names', 'visit'] as const) {
    for (const count of links) {
      add(
        `${what}-${count}`,
        what,
        `${TITLES[what]}: ${count}`,
        many(count),
        Math.min(3, Math.ceil(most / count / 3)),
        1,
      )
    }
  }
  const middle = many(links[links.length >> 1]!)
  const down: [string, () => Scene] = ['down', () => acrossNetns('veth0', false)]
  const up: [string, () => Scene] = ['up', () => acrossNetns('veth0', true)]
  add('by-name', 'by-name', 'one link by name', middle, gets)
  add('by-index', 'by-index', 'one link by index', middle, gets)
  add('features', 'features', 'all features of a veth', down, gets >> 1)
  add('toggle', 'toggle', 'gro of a veth that is down: off, and on again', down, gets >> 3)
  add('peer', 'peer', "a veth's peer, in another namespace", up, gets >> 1)
  add('verdict', 'verdict', 'a verdict on a redirect, the peer in another namespace', up, gets >> 2)
  add('pair', 'pair', 'a veth pair: made, and deleted again', ['empty', emptyNetns], pairs, 1)
  return works
}
