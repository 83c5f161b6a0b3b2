import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Link } from '../../src/rtnetlink/link.ts'
import { listLinks } from '../../src/rtnetlink/link-operations.ts'
import { needsCommands } from '../tools/commands.ts'
import { execIn, inNetns } from '../tools/netns.ts'
import { real } from '../tools/real.ts'

/** A link as `ip -details -json link` prints it. */
interface Printed {
  ifindex: number
  ifname: string
  flags: string[]
  mtu: number
  qdisc: string
  operstate: string
  group: string
  txqlen?: number
  link_type: string
  address: string
  broadcast: string
  promiscuity: number
  allmulti?: number
  min_mtu: number
  max_mtu: number
  num_tx_queues: number
  num_rx_queues: number
  gso_max_size: number
  gso_max_segs: number
  tso_max_size?: number
  tso_max_segs?: number
  gro_max_size?: number
  gso_ipv4_max_size?: number
  gro_ipv4_max_size?: number
  ifalias?: string
  altnames?: string[]
  link?: string | null
  link_index?: number
  link_netnsid?: number
  master?: string
  linkinfo?: { info_kind?: string; info_slave_kind?: string }
  stats64?: { rx: { packets: number; bytes: number }; tx: { packets: number; bytes: number } }
}

const OPERATIONAL = ['UNKNOWN', 'NOTPRESENT', 'DOWN', 'LOWERLAYERDOWN', 'TESTING', 'DORMANT', 'UP']

/** What both tell, of ours in ip's words; left out where this ip does not print it. */
function inWordsOfIp(link: Link, links: readonly Link[], printed: Printed): Partial<Printed> {
  const nameOf = (index: number) => links.find(other => other.index === index)?.name
  const all: Partial<Printed> = {
    ifindex: link.index,
    ifname: link.name,
    mtu: link.mtu,
    qdisc: link.qdisc,
    operstate: OPERATIONAL[link.operState]!,
    txqlen: link.txQueueLength,
    address: link.address,
    broadcast: link.broadcast,
    promiscuity: link.promiscuity,
    allmulti: link.allMulticast,
    min_mtu: link.minMtu,
    max_mtu: link.maxMtu,
    num_tx_queues: link.numTxQueues,
    num_rx_queues: link.numRxQueues,
    gso_max_size: link.gsoMaxSize,
    gso_max_segs: link.gsoMaxSegments,
    tso_max_size: link.tsoMaxSize,
    tso_max_segs: link.tsoMaxSegments,
    gro_max_size: link.groMaxSize,
    gso_ipv4_max_size: link.gsoIpv4MaxSize,
    gro_ipv4_max_size: link.groIpv4MaxSize,
    ifalias: link.alias,
    altnames: link.altNames,
  }
  if (link.master !== 0) all.master = nameOf(link.master)!
  if (link.linkNetnsId !== null) Object.assign(all, { link_netnsid: link.linkNetnsId, link_index: link.link })
  else if (link.link !== 0) all.link = nameOf(link.link)!
  return Object.fromEntries(Object.entries(all).filter(([key]) => key in printed || key === 'master'))
}

function pick(printed: Printed, like: Partial<Printed>): Partial<Printed> {
  return Object.fromEntries(Object.keys(like).map(key => [key, printed[key as keyof Printed]]))
}

test(
  'a zoo of links is described as ip(8) describes it',
  { skip: needsCommands('ip') },
  inNetns((netns, t) => {
    const ip = (words: string) => execIn(netns, 'ip', ...words.split(' '))
    ip('link add va numrxqueues 2 numtxqueues 3 type veth peer name vb')
    ip('link set va up mtu 1400 promisc on allmulticast on alias outside')
    ip('link set vb up')
    ip('link set vb gso_max_size 30000 gso_max_segs 30 txqueuelen 7')
    for (const words of [
      'link property add dev va altname other altname a-name-of-more-than-fifteen-bytes',
      'link add br0 type bridge',
      'link set vb master br0',
      'link add link va name va.7 type vlan id 7',
      'link add mv0 link va type macvlan',
      'link add dummy0 type dummy',
    ]) {
      try {
        ip(words)
      } catch (error) {
        t.diagnostic(`without 'ip ${words}': ${(error as { stderr: string }).stderr.trim()}`)
      }
    }
    const printed: Printed[] = JSON.parse(ip('-details -statistics -json link'))
    const links = real(listLinks(netns))
    assert.deepEqual(
      links.map(({ index }) => index),
      printed.map(({ ifindex }) => ifindex),
    )
    for (const [i, link] of links.entries()) {
      const theirs = printed[i]!
      const ours = inWordsOfIp(link, links, theirs)
      assert.ok(Object.keys(ours).length >= 15)
      assert.deepEqual(ours, pick(theirs, ours))
      assert.equal(link.kind, theirs.linkinfo?.info_kind ?? '')
      assert.equal(link.linkinfo?.slaveKind ?? '', theirs.linkinfo?.info_slave_kind ?? '')
      assert.equal(link.up, theirs.flags.includes('UP'))
      assert.equal(Number(link.stats?.rxBytes) >= theirs.stats64!.rx.bytes, true)
      assert.equal(Number(link.stats?.txPackets) >= theirs.stats64!.tx.packets, true)
    }
  }),
)
