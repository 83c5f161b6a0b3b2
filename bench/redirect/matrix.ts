import type { Case, PeerState } from './case.ts'

/** The values of each dimension, in the order of the report. */
export const MODES: readonly Case['mode'][] = ['native', 'generic']
export const PEERS: readonly PeerState[] = ['plain', 'gro', 'pass', 'drop']
export const SIZES: readonly number[] = [64, 512, 1500]
export const VIAS: readonly Case['via'][] = ['bpf_redirect', 'devmap']

/** The values of each dimension that are run: every combination of them is a case. */
interface Choice {
  readonly mode: readonly Case['mode'][]
  readonly peer: readonly PeerState[]
  readonly size: readonly number[]
  readonly via: readonly Case['via'][]
  readonly cores: readonly number[]
}
type Dimension = keyof Choice

export interface Selection {
  /** Texts of --only: 'native,gro,64', 'mode=native peer=plain,gro'. Values of one dimension are alternatives. */
  readonly only: readonly string[]
  /** What --only leaves open is one value each, but for the modes, and the peers plain and gro. */
  readonly quick: boolean
}

/**
 * The cases that a selection leaves, in the order of the report. `cpus`: how many may generate; null where another machine
 * sends, of which neither sizes nor cores are known.
 * @throws TypeError for a word that names nothing, or more than one thing, or what another machine decides.
 */
export function casesOf({ only, quick }: Selection, cpus: number | null): Case[] {
  const sent = cpus === null ? AS_SENT : { size: SIZES, cores: [...new Set([1, cpus])] }
  const all: Choice = { mode: MODES, peer: PEERS, via: VIAS, ...sent }
  const first = { size: all.size.slice(0, 1), via: all.via.slice(0, 1), cores: all.cores.slice(0, 1) }
  const few: Choice = { ...all, ...first, peer: ['plain', 'gro'] }
  const named = wordsOf(only, cpus)
  const chosen = <D extends Dimension>(dimension: D): Choice[D] => {
    const values = named.get(dimension)
    if (values === undefined) return (quick ? few : all)[dimension]
    // As many cores as one likes may be named; of the rest the matrix has its values and their order.
    const order: readonly (string | number)[] =
      dimension === 'cores' ? [...values].sort(byNumber) : all[dimension]
    return order.filter(value => values.has(value)) as unknown as Choice[D]
  }
  return chosen('cores').flatMap(cores =>
    chosen('via').flatMap(via =>
      chosen('size').flatMap(size =>
        chosen('mode').flatMap(mode => chosen('peer').map(peer => ({ mode, peer, size, via, cores }))),
      ),
    ),
  )
}

/** Of another machine's traffic. */
const AS_SENT = { size: [0], cores: [0] } as const

function byNumber(a: string | number, b: string | number): number {
  return Number(a) - Number(b)
}

/** What is wanted of each dimension that a word names. A dimension's name counts until the next one or a blank. */
function wordsOf(only: readonly string[], cpus: number | null): Map<Dimension, Set<string | number>> {
  const wanted = new Map<Dimension, Set<string | number>>()
  for (const group of only.flatMap(text => text.trim().split(/\s+/))) {
    let current: Dimension | null = null
    for (const word of group.split(',')) {
      const [, name, value = word] = /^([^=]*)=(.*)$/.exec(word) ?? []
      if (name !== undefined) current = named(name)
      const dimension: Dimension = current ?? dimensionOf(value)
      const values = wanted.get(dimension) ?? new Set()
      wanted.set(dimension, values.add(checked(dimension, value, cpus)))
    }
  }
  return wanted
}

function named(name: string): Dimension {
  if (name === 'mode' || name === 'peer' || name === 'size' || name === 'via' || name === 'cores') return name
  throw new TypeError(`--only knows no '${name}=': it takes mode, peer, size, via and cores`)
}

/** A word without a dimension: a number is a size. */
function dimensionOf(word: string): Dimension {
  for (const [dimension, values] of [
    ['mode', MODES],
    ['peer', PEERS],
    ['via', VIAS],
  ] as const) {
    if ((values as readonly string[]).includes(word)) return dimension
  }
  if (SIZES.some(size => `${size}` === word)) return 'size'
  throw new TypeError(
    `--only does not know '${word}': it takes ${[...MODES, ...PEERS, ...SIZES, ...VIAS].join(', ')} and cores=N`,
  )
}

function checked(dimension: Dimension, word: string, cpus: number | null): string | number {
  if (dimension === 'cores') {
    if (cpus === null) throw notOurs(dimension, word)
    const cores = word === 'n' ? cpus : /^[1-9]\d{0,4}$/.test(word) ? Number(word) : 0
    if (cores >= 1 && cores <= cpus) return cores
    throw new TypeError(`--only cores=${word}: it takes 1 to ${cpus}, or n for ${cpus}`)
  }
  if (dimension === 'size' && cpus === null) throw notOurs(dimension, word)
  const values: readonly (string | number)[] = { mode: MODES, peer: PEERS, size: SIZES, via: VIAS }[dimension]
  const value = values.find(each => `${each}` === word)
  if (value !== undefined) return value
  throw new TypeError(`--only ${dimension}=${word}: it takes ${values.join(', ')}`)
}

function notOurs(dimension: Dimension, word: string): TypeError {
  return new TypeError(
    `--only ${dimension}=${word}: --traffic external has the ${dimension} of another machine`,
  )
}

/** One case in a word, the same in every run: 'native/gro/64/bpf_redirect/1'. */
export function idOf({ mode, peer, size, via, cores }: Case): string {
  return [mode, peer, size, via, cores].join('/')
}
