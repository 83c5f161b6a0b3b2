/**
 * A process of its own that changes links at random and in bursts: `changes.ts SEED CHANGES NAMESPACES`, in so many
 * namespaces, which it has as descriptors from 3 on.
 */

import { setFeature } from '../../src/ethtool/features.ts'
import { writeHeader } from '../../src/rtnetlink/link-change.ts'
import { deleteLink, getLink, moveLink, newLink, setLink } from '../../src/rtnetlink/link-operations.ts'
import { IFINFOMSG_SIZE, IFLA, RTM } from '../../src/rtnetlink/numbers.ts'
import type { DeviceRef } from '../../src/wire/device-ref.ts'
import { SystemError } from '../../src/wire/errors.ts'
import { Message } from '../../src/wire/message.ts'
import { NETLINK_ROUTE, NLM_F } from '../../src/wire/netlink.ts'
import { netnsFrom } from '../../src/wire/netns.ts'
import { command } from '../../src/wire/request.ts'
import { real } from '../tools/real.ts'
import { Random } from '../walk/random.ts'

const [seed = 0, changes = 0, namespaces = 0] = process.argv.slice(2).map(Number)
const random = new Random(seed)
const places = Array.from({ length: namespaces }, (_, i) => netnsFrom({ fd: 3 + i }))

const PAIRS = 20
/** An end of a pair each. */
const ends: DeviceRef[] = []
const BRIDGE = 'br'
let names = 0

function makePair(): void {
  const [here, there] = [random.pick(places), random.pick(places)]
  const [a, b] = [newName(), newName()]
  const peer = { name: b, netns: there }
  real(newLink(here, { name: a, linkinfo: { kind: 'veth', data: { peer } } }))
  ends.push({ netns: here, device: a }, { netns: there, device: b })
}

function newName(): string {
  return `v${names++}`
}

/** Sets an attribute that the library has no change for. */
function setAttribute(ref: DeviceRef, attribute: (message: Message) => void): void {
  const subject = { message: 'RTM_SETLINK', netns: ref.netns, device: String(ref.device), writes: true }
  const layout = { header: IFINFOMSG_SIZE, table: null }
  const message = new Message(subject, NETLINK_ROUTE, RTM.SETLINK, NLM_F.ACK, layout)
  writeHeader(message, { index: real(getLink(ref)).index })
  attribute(message)
  real(command(message))
}

function setGro(end: DeviceRef, on: boolean): void {
  real(setFeature(end, 'gro', on))
}

function setMaster(end: DeviceRef, bridge: string | null): void {
  const master = bridge === null ? 0 : real(getLink({ netns: end.netns, device: bridge })).index
  setAttribute(end, message => message.attribute(IFLA.MASTER, () => message.u32(master)))
}

/**
 * How often each is done, in relation to the others; what it returns is how the end is found from then on. Those that make
 * the kernel wait for other processors (synchronize_net()), or that it writes into its log, are seldom.
 */
const CHANGES: readonly (readonly [often: number, change: (end: DeviceRef) => unknown])[] = [
  [400, end => real(setLink(end, { mtu: 1000 + Math.floor(random.next() * 400) }))],
  [5, end => real(setLink(end, { up: random.chance(0.6) }))],
  [
    80,
    end =>
      real(setLink(end, { address: `02:00:00:00:00:${Math.floor(16 + random.next() * 200).toString(16)}` })),
  ],
  [80, end => setAlias(end)],
  [6, end => rename(end)],
  [1, end => setMaster(end, random.chance(0.5) ? BRIDGE : null)],
  [2, end => setGro(end, random.chance(0.5))],
  [2, end => real(moveLink(end, random.pick(places)))],
  [2, end => replacePair(end)],
]
const ALL = CHANGES.flatMap(([often, change]) => Array.from({ length: often }, () => change))

/** Of a link that is down the kernel would not tell (netdev_state_change()). */
function setAlias(end: DeviceRef): void {
  real(setLink(end, { up: true }))
  setAttribute(end, message => message.attribute(IFLA.IFALIAS, () => message.text(newName())))
}

function rename(end: DeviceRef): DeviceRef {
  const name = newName()
  real(setLink(end, { name }))
  return { netns: end.netns, device: name }
}

/** The note of its peer, which goes with it, comes to nothing. */
function replacePair(end: DeviceRef): DeviceRef {
  real(deleteLink(end))
  makePair()
  return ends.pop()!
}

/** What another change has made impossible is no change. */
function attempt(change: () => void): boolean {
  try {
    change()
    return true
  } catch (error) {
    if (error instanceof SystemError) return false
    throw error
  }
}

/** One that is possible. */
function changeOne(): void {
  for (;;) {
    const at = Math.floor(random.next() * ends.length)
    const end = ends[at]!
    if (attempt(() => (ends[at] = (random.pick(ALL)(end) as DeviceRef | undefined) ?? end))) return
    if (!attempt(() => real(getLink(end)))) ends.splice(at, 1)
  }
}

// Down, so that it forwards nothing: with both ends of a pair in it one frame would go round for ever.
for (const netns of places) real(newLink(netns, { name: BRIDGE, linkinfo: { kind: 'bridge', data: null } }))
for (let i = 0; i < PAIRS; i++) makePair()
for (let done = 0; done < changes; ) {
  const burst = Math.min(changes - done, 1 + Math.floor(random.next() * 4000))
  for (let i = 0; i < burst; i++) changeOne()
  done += burst
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, random.next() * 30)
}
