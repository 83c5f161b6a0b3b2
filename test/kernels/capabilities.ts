/**
 * Tries what differs between kernels, with the library, on the kernel that it runs on, and prints what came of it as
 * JSON: `tsx test/kernels/capabilities.ts`, as root. Nothing is concluded from the release.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { exit, mov, R0 } from '../../src/bpf/instruction.ts'
import { loadProgram } from '../../src/bpf/program.ts'
import { openRawTracepoint } from '../../src/bpf/tracepoint.ts'
import { genericMessage } from '../../src/genetlink/message.ts'
import { LINK } from '../../src/rtnetlink/link.ts'
import { writeHeader } from '../../src/rtnetlink/link-change.ts'
import { getLinkThrough } from '../../src/rtnetlink/link-operations.ts'
import { IFINFOMSG_SIZE, RTM } from '../../src/rtnetlink/numbers.ts'
import {
  countRedirects,
  createNetns,
  createVethPair,
  type Device,
  device,
  type NetnsHandle,
  xdpPass,
  xdpRedirect,
} from '../../src/sync.ts'
import { Message } from '../../src/wire/message.ts'
import { NETLINK_ROUTE, NLM_F } from '../../src/wire/netlink.ts'
import { type Netns, OWN_NETNS } from '../../src/wire/netns.ts'
import type { Operation } from '../../src/wire/operation.ts'
import { dump } from '../../src/wire/request.ts'
import { table } from '../../src/wire/table.ts'
import { execIn } from '../tools/netns.ts'
import { real } from '../tools/real.ts'
import { hasKernelBtf } from './kernel-btf.ts'
import type { Capability } from './outcomes.ts'

/** Frames for one redirect; the kernel adds a few of its own. */
const FRAMES = 64

interface Pair {
  readonly netns: NetnsHandle
  readonly target: Device
  readonly peer: Device
}

function freshPair(): Pair {
  const netns = createNetns()
  const queues = { up: true, rxQueues: 2, txQueues: 2 }
  const [target, peer] = createVethPair({ name: 'T', netns, ...queues, peer: { name: 'P', ...queues } })
  return { netns, target, peer }
}

/** What becomes of ordinary frames that a native program on a third veth redirects into T: 'arrives', or the errno. */
async function redirected({ netns, target, peer }: Pair): Promise<string> {
  const [nic] = createVethPair({ name: 'nic', netns, up: true, peer: { name: 'gen', up: true } })
  execIn(netns, 'ip', 'address', 'add', '192.0.2.1/24', 'dev', 'gen')
  execIn(netns, 'ip', 'neighbour', 'add', '192.0.2.2', 'lladdr', nic.getLink().address!, 'dev', 'gen')
  nic.attachXdp(xdpRedirect(target.getLink().index), { mode: 'native' })
  const counter = countRedirects()
  const before = received(peer)
  execIn(netns, 'bash', '-c', `for i in {1..${FRAMES}}; do echo > /dev/udp/192.0.2.2/9; done`)
  await sleep(300)
  const arrived = received(peer) - before
  const refused = counter.read().toSorted((a, b) => b.refused - a.refused)
  counter.close()
  if (arrived >= FRAMES) return 'arrives'
  return refused[0]?.code ?? `${arrived} of ${FRAMES} arrive`
}

function redirectedWithGro(pair: Pair): Promise<string> {
  pair.peer.setFeature('gro', true)
  return redirected(pair)
}

function redirectedWithProgram(pair: Pair): Promise<string> {
  pair.peer.attachXdp(xdpPass())
  return redirected(pair)
}

function received(peer: Device): number {
  return Number(peer.getLink().stats!.rxPackets)
}

function* opensTracepoint(name: string): Operation<void> {
  const code = [mov(R0, 0), exit()]
  const program = yield* loadProgram({ type: 'RAW_TRACEPOINT', name: 'nothing', license: 'MIT', code })
  yield* openRawTracepoint(name, program)
}

const NOTHING = table<object>([])

function* qstats(): Operation<void> {
  const subject = { message: 'NETDEV_CMD_QSTATS_GET', netns: OWN_NETNS, device: '', writes: false }
  const family = { name: 'netdev', version: 1, since: '6.3' } as const
  yield* dump(yield* genericMessage(family, 12, subject, NOTHING, NLM_F.DUMP), () => null)
}

/** A dump that names an index, which strict checking refuses. */
function* sloppyDump(netns: Netns): Operation<number> {
  const subject = { message: 'RTM_GETLINK', netns, device: '', writes: false }
  const layout = { header: IFINFOMSG_SIZE, table: LINK }
  const message = new Message(subject, NETLINK_ROUTE, RTM.GETLINK, NLM_F.DUMP, layout)
  writeHeader(message, { index: 1 })
  return (yield* dump(message, () => null)).length
}

/** What is tried, on a fresh pair that is up; true and false are yes and no. */
const TRIALS: readonly [what: string, trial: (pair: Pair) => unknown][] = [
  ['redirect into a fresh pair', redirected],
  ['redirect, GRO on at the peer', redirectedWithGro],
  ['redirect, native program at the peer', redirectedWithProgram],
  ['channels of a veth can be set', ({ peer }) => peer.setChannels({ rx: 1 })],
  [
    'XDP link (`lifetime: "process"`)',
    ({ peer }) => peer.attachXdp(xdpPass(), { lifetime: 'process' }).detach(),
  ],
  ['a program put in the place of the one expected (`replaces`)', replaces],
  ['live frames (`probeRedirect()`)', ({ target }) => target.probeRedirect({ frames: 1 })],
  ['raw tracepoint xdp_redirect_err', () => real(opensTracepoint('xdp_redirect_err'))],
  ['raw tracepoint xdp_devmap_xmit', () => real(opensTracepoint('xdp_devmap_xmit'))],
  ['BTF of the kernel by id', () => hasKernelBtf('vmlinux')],
  ['BTF of a module veth by id', () => hasKernelBtf('veth')],
  ['netdev family, dev-get (`getXdpFeatures()`)', ({ peer }) => peer.getXdpFeatures()],
  ['netdev family, napi-get (`getNapi()`)', ({ peer }) => peer.getNapi()],
  ['netdev family, qstats-get', () => real(qstats())],
  ['a link of another namespace by its id (IFLA_TARGET_NETNSID)', throughId],
  ['alternative names', alternativeName],
  ['strict checking of requests', ({ netns }) => refuses('EINVAL', () => real(sloppyDump(netns)))],
]

function replaces({ peer }: Pair): void {
  peer.attachXdp(xdpPass())
  peer.attachXdp(xdpPass(), { replaces: peer.getXdp().programs[0]!.id })
}

function throughId({ netns }: Pair): boolean {
  const there = createNetns()
  const [near, far] = createVethPair({ name: 'near', netns, peer: { name: 'far', netns: there } })
  const { linkNetnsId } = near.getLink()
  const { name } = real(getLinkThrough(netns, linkNetnsId!, far.getLink().index))
  there.remove()
  return name === 'far'
}

function alternativeName({ netns }: Pair): boolean {
  const name = 'a-name-of-more-than-fifteen-bytes'
  execIn(netns, 'ip', 'link', 'property', 'add', 'dev', 'T', 'altname', name)
  return device(name, { netns }).getLink().name === 'T'
}

function refuses(code: string, call: () => unknown): boolean {
  try {
    call()
    return false
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === code) return true
    throw error
  }
}

/** 'yes', 'no', or what it said; an error of the kernel or the library is a no, and kept. */
async function outcome(trial: (pair: Pair) => unknown): Promise<Omit<Capability, 'what'>> {
  const pair = freshPair()
  try {
    const found = await trial(pair)
    return { found: typeof found === 'string' ? found : found === false ? 'no' : 'yes', error: null }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error
    return { found: 'no', error: error.message }
  } finally {
    pair.netns.remove()
  }
}

const capabilities: Capability[] = []
for (const [what, trial] of TRIALS) capabilities.push({ what, ...(await outcome(trial)) })
process.stdout.write(`${JSON.stringify(capabilities, null, 1)}\n`)
