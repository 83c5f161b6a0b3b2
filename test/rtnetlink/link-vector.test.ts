import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decodeLink, LINK, Link, LinkInfo } from '../../src/rtnetlink/link.ts'
import { LinkStats } from '../../src/rtnetlink/link-stats.ts'
import { IFINFOMSG_SIZE, IFLA } from '../../src/rtnetlink/numbers.ts'
import { XdpState } from '../../src/rtnetlink/xdp-state.ts'
import {
  attributesOf,
  decoded,
  encoded,
  hex,
  notLittleEndian,
  withDirtyPadding,
} from '../tools/attributes.ts'

/** struct ifinfomsg */
const HEADER = hex(
  '00', // ifi_family: AF_UNSPEC
  '00', // padding
  '0100', // ifi_type: ARPHRD_ETHER
  '03000000', // ifi_index
  '03100000', // ifi_flags: IFF_UP | IFF_BROADCAST | IFF_MULTICAST
  '00000000', // ifi_change
)

/** What Linux 6.18 says of a veth whose peer is down; IFLA_AF_SPEC, 816 bytes of other families', is cut to 4. */
const ATTRIBUTES = hex(
  '0700 0300 766100 00', // IFLA_IFNAME 'va'
  '0800 0d00 e8030000', // IFLA_TXQLEN 1000
  '0500 1000 03 000000', // IFLA_OPERSTATE 3, lower layer down
  '0500 1100 00 000000', // IFLA_LINKMODE
  '0500 4300 00 000000', // IFLA_NETNS_IMMUTABLE
  '0800 0400 78050000', // IFLA_MTU 1400
  '0800 3200 44000000', // IFLA_MIN_MTU 68
  '0800 3300 ffff0000', // IFLA_MAX_MTU 65535
  '0800 1b00 00000000', // IFLA_GROUP
  '0800 1e00 00000000', // IFLA_PROMISCUITY
  '0800 3d00 00000000', // IFLA_ALLMULTI
  '0800 1f00 03000000', // IFLA_NUM_TX_QUEUES 3
  '0800 2800 ffff0000', // IFLA_GSO_MAX_SEGS
  '0800 2900 00000100', // IFLA_GSO_MAX_SIZE 65536
  '0800 3a00 00000100', // IFLA_GRO_MAX_SIZE
  '0800 3f00 00000100', // IFLA_GSO_IPV4_MAX_SIZE
  '0800 4000 00000100', // IFLA_GRO_IPV4_MAX_SIZE
  '0800 3b00 f8ff0700', // IFLA_TSO_MAX_SIZE 524280
  '0800 3c00 ffff0000', // IFLA_TSO_MAX_SEGS
  '0800 4200 00000000', // IFLA_MAX_PACING_OFFLOAD_HORIZON
  '0800 2000 02000000', // IFLA_NUM_RX_QUEUES 2
  '0500 2100 00 000000', // IFLA_CARRIER 0
  '0d00 1400 686f737420656e6400 000000', // IFLA_IFALIAS 'host end'
  '0800 2300 01000000', // IFLA_CARRIER_CHANGES 1
  '0800 2f00 00000000', // IFLA_CARRIER_UP_COUNT
  '0800 3000 01000000', // IFLA_CARRIER_DOWN_COUNT 1
  '0600 4400 0000 0000', // IFLA_HEADROOM
  '0600 4500 0000 0000', // IFLA_TAILROOM
  '0500 2700 00 000000', // IFLA_PROTO_DOWN
  '0a00 0100 02000000000a 0000', // IFLA_ADDRESS
  '0a00 0200 ffffffffffff 0000', // IFLA_BROADCAST
  `cc00 1700 ${'00'.repeat(200)}`, // IFLA_STATS64
  `6400 0700 ${'00'.repeat(96)}`, // IFLA_STATS, its 32-bit twin
  '0c00 2b00', // IFLA_XDP, without NLA_F_NESTED
  '  0500 0200 00 000000', //   IFLA_XDP_ATTACHED: none
  '1000 1200', // IFLA_LINKINFO, without NLA_F_NESTED
  '  0900 0100 7665746800 000000', //   IFLA_INFO_KIND 'veth'
  '0800 0500 02000000', // IFLA_LINK: the peer's index
  '0c00 0600 6e6f717565756500', // IFLA_QDISC 'noqueue'
  '0800 1a00 00000000', // IFLA_AF_SPEC
  `2400 0e00 ${'00'.repeat(32)}`, // IFLA_MAP
  '3800 3480', // IFLA_PROP_LIST, NLA_F_NESTED
  '  2600 3500 612d6e616d652d6f662d6d6f72652d7468616e2d6669667465656e2d627974657300 0000', // IFLA_ALT_IFNAME
  '  0b00 3500 7365636f6e6400 00', // IFLA_ALT_IFNAME 'second'
  '0400 3e80', // IFLA_DEVLINK_PORT, empty
  '0400 4180', // IFLA_DPLL_PIN, empty
)

const link = Object.assign(new Link(), {
  index: 3,
  type: 1,
  flags: 0x1003,
  name: 'va',
  altNames: ['a-name-of-more-than-fifteen-bytes', 'second'],
  alias: 'host end',
  address: '02:00:00:00:00:0a',
  broadcast: 'ff:ff:ff:ff:ff:ff',
  mtu: 1400,
  minMtu: 68,
  maxMtu: 65535,
  link: 2,
  operState: 3,
  carrierChanges: 1,
  carrierDownCount: 1,
  txQueueLength: 1000,
  qdisc: 'noqueue',
  numTxQueues: 3,
  numRxQueues: 2,
  gsoMaxSegments: 65535,
  gsoMaxSize: 65536,
  gsoIpv4MaxSize: 65536,
  groMaxSize: 65536,
  groIpv4MaxSize: 65536,
  tsoMaxSegments: 65535,
  tsoMaxSize: 524280,
  linkinfo: Object.assign(new LinkInfo(), { kind: 'veth' }),
  xdp: new XdpState(),
  stats: new LinkStats(),
})

const SKIPPED = [IFLA.STATS, IFLA.AF_SPEC, IFLA.MAP, IFLA.DEVLINK_PORT, IFLA.DPLL_PIN] as number[]
/** Where our requests are more explicit than the kernel's answers: NLA_F_NESTED, fields that are 0. */
const NESTS = [IFLA.XDP, IFLA.LINKINFO] as number[]

function decodeMessage(...parts: Uint8Array[]): Link {
  const bytes = Buffer.concat(parts)
  return decodeLink(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, bytes.length)
}

describe("the kernel's description of a veth", { skip: notLittleEndian }, () => {
  test('is read field by field, and nothing in it is unknown', () => {
    assert.deepEqual(decodeMessage(HEADER, ATTRIBUTES), link)
  })

  test('says whether it is up, and its kind', () => {
    const read = decodeMessage(HEADER, ATTRIBUTES)
    assert.equal(read.up, true)
    assert.equal(read.kind, 'veth')
  })

  test('is read the same when the padding is rubbish', () => {
    assert.deepEqual(decodeMessage(HEADER, withDirtyPadding(ATTRIBUTES)), link)
  })

  test('is written again byte by byte, attribute by attribute', () => {
    const ours = new Map(attributesOf(encoded(LINK, link)).map(({ type, bytes }) => [type, bytes]))
    const theirs = attributesOf(ATTRIBUTES).filter(
      ({ type }) => !SKIPPED.includes(type) && !NESTS.includes(type),
    )
    for (const { type, bytes } of theirs) assert.deepEqual(ours.get(type), bytes, `attribute ${type}`)
  })

  test('is read from what we write as it was', () => {
    const again = decoded(LINK, new Link(), encoded(LINK, link))
    const { index, type, flags } = link
    assert.deepEqual(Object.assign(again, { index, type, flags, linkNetnsId: null }), link)
  })

  test('is not read without the whole struct ifinfomsg', () => {
    for (let length = 0; length < IFINFOMSG_SIZE; length++) {
      assert.throws(() => decodeMessage(HEADER.subarray(0, length)), { name: 'DecodeError' })
    }
    assert.equal(decodeMessage(HEADER).index, 3)
  })

  test('fails at the offset of an attribute that runs past its end', () => {
    const past = hex('0900 0400 78050000')
    const offset = HEADER.length + ATTRIBUTES.length
    assert.throws(() => decodeMessage(HEADER, ATTRIBUTES, past), { name: 'DecodeError', offset })
  })
})

describe("a link's counters", { skip: notLittleEndian }, () => {
  const counters = (count: number) => {
    const words = BigUint64Array.from({ length: count }, (_, i) => BigInt(i + 1))
    const payload = Buffer.from(words.buffer)
    const header = Buffer.alloc(4)
    header.writeUInt16LE(4 + payload.length, 0)
    header.writeUInt16LE(IFLA.STATS64, 2)
    return Buffer.concat([header, payload])
  }

  test('of an older kernel are read as far as they go', () => {
    const { stats } = decoded(LINK, new Link(), counters(23))
    assert.equal(stats?.rxPackets, 1n)
    assert.equal(stats?.txCompressed, 23n)
    assert.equal(stats?.rxNohandler, 0n)
  })

  test('of a newer kernel are read as far as we know them', () => {
    const { stats } = decoded(LINK, new Link(), counters(40))
    assert.deepEqual(
      Object.values(stats!),
      Array.from({ length: Object.keys(new LinkStats()).length }, (_, i) => BigInt(i + 1)),
    )
  })
})

describe('a link', { skip: notLittleEndian }, () => {
  test('with one odd attribute is read all the same', () => {
    const oddMtu = hex('0600 0400 7805 0000', '0700 0300 766100 00')
    const { name, mtu, unknown } = decoded(LINK, new Link(), oddMtu)
    assert.equal(name, 'va')
    assert.equal(mtu, 0)
    assert.deepEqual(unknown, [{ type: IFLA.MTU, bytes: hex('7805') }])
  })

  test('of a namespace that has no id says -1, not four thousand million', () => {
    assert.equal(decoded(LINK, new Link(), hex('0800 2500 ffffffff')).linkNetnsId, -1)
  })

  test('with a list of names that is broken is read all the same', () => {
    const { name, altNames, unknown } = decoded(
      LINK,
      new Link(),
      hex('0800 3480 ff00 3500', '0700 0300 766100 00'),
    )
    assert.equal(name, 'va')
    assert.deepEqual(altNames, [])
    assert.equal(unknown[0]?.type, IFLA.PROP_LIST)
  })
})
