import {
  createNetns,
  createVethPair,
  type Device,
  type NetnsHandle,
  SystemError,
  type XdpHandle,
  xdpPass,
} from '../../src/sync.ts'
import type { Random } from './random.ts'

/** The queues that each end is made with. */
const QUEUES = 3
/** From far under a short frame's needs to beyond a page. */
const MTUS = [100, 900, 1500, 1500, 3000, 9000] as const

/** A veth pair that is changed at random, its ends anywhere in three namespaces. */
export class WalkedPair {
  readonly #random: Random
  readonly #netns: readonly NetnsHandle[]
  readonly #attached: readonly [XdpHandle[], XdpHandle[]] = [[], []]
  #names = 0
  ends!: [Device, Device]

  constructor(random: Random) {
    this.#random = random
    this.#netns = [createNetns(), createNetns(), createNetns()]
    this.#create()
  }

  remove(): void {
    for (const each of [0, 1] as const) this.#detach(each)
    for (const netns of this.#netns) netns.remove()
  }

  /** Does one thing that may change how redirects end. @returns it in words; what the kernel refused says so. */
  change(): string {
    const which = this.#random.pick([0, 1] as const)
    const move = this.#random.pick(MOVES)
    const what = `${which === 0 ? 'A' : 'B'} ${move}`
    try {
      return `${what}${this.#make(which, move)}`
    } catch (error) {
      if (!(error instanceof SystemError)) throw error
      return `${what}: refused, ${error.code}`
    }
  }

  #make(which: 0 | 1, move: Move): string {
    const end = this.ends[which]
    switch (move) {
      case 'up':
        end.up()
        return ''
      case 'down':
        end.down()
        return ''
      case 'gro on':
      case 'gro off':
        end.setFeature('gro', move === 'gro on')
        return ''
      case 'native program':
      case 'generic program':
        this.#attach(which, move === 'native program' ? 'native' : 'generic')
        return ''
      case 'no program':
        this.#detach(which)
        return ''
      case 'mtu': {
        const mtu = this.#random.pick(MTUS)
        end.setMtu(mtu)
        return ` ${mtu}`
      }
      case 'rx queues':
      case 'tx queues': {
        const count = 1 + Math.floor(this.#random.next() * QUEUES)
        end.setChannels(move === 'rx queues' ? { rx: count } : { tx: count })
        return ` ${count}`
      }
      case 'rename':
        end.down() // before 6.2 a device that is up keeps its name
        this.ends[which] = end.rename(this.#newName())
        return ' (down for it)'
      case 'other netns':
        return this.#move(which)
      case 'new pair':
        end.delete()
        for (const each of [0, 1] as const) this.#detach(each)
        this.#create()
        return ''
    }
  }

  #attach(which: 0 | 1, mode: 'native' | 'generic'): void {
    this.#attached[which].push(this.ends[which].attachXdp(xdpPass(), { mode, lifetime: 'process' }))
  }

  #detach(which: 0 | 1): void {
    for (const program of this.#attached[which].splice(0)) program.detach()
  }

  #move(which: 0 | 1): string {
    const netns = this.#random.pick(this.#netns)
    this.ends[which] = this.ends[which].move(netns)
    return ` ${this.#netns.indexOf(netns)}`
  }

  #create(): void {
    const queues = { rxQueues: QUEUES, txQueues: QUEUES, addrGenMode: 'none' } as const
    const [first, second] = [this.#random.pick(this.#netns), this.#random.pick(this.#netns)]
    const up = this.#random.chance(0.7)
    this.ends = createVethPair({
      name: this.#newName(),
      netns: first,
      up,
      ...queues,
      peer: { name: this.#newName(), netns: second, up, ...queues },
    })
  }

  #newName(): string {
    return `w${this.#names++}`
  }
}

const MOVES = [
  'up',
  'up',
  'up',
  'down',
  'gro on',
  'gro on',
  'gro off',
  'native program',
  'generic program',
  'no program',
  'no program',
  'mtu',
  'rx queues',
  'tx queues',
  'rename',
  'other netns',
  'new pair',
] as const
type Move = (typeof MOVES)[number]
