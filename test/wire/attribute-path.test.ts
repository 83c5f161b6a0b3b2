import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeLinkChange, LINK_CHANGE, type LinkChange } from '../../src/rtnetlink/link-change.ts'
import { IFINFOMSG_SIZE, IFLA, RTM } from '../../src/rtnetlink/numbers.ts'
import { attributePath, missingPath } from '../../src/wire/attribute-path.ts'
import { Message } from '../../src/wire/message.ts'
import { NETLINK_ROUTE } from '../../src/wire/netlink.ts'
import { OWN_NETNS } from '../../src/wire/netns.ts'

const UNKNOWN = 4000

function messageOf(change: Partial<LinkChange>): Message {
  const subject = { message: 'RTM_NEWLINK', netns: OWN_NETNS, device: '', writes: true }
  const layout = { header: IFINFOMSG_SIZE, table: LINK_CHANGE }
  const message = new Message(subject, NETLINK_ROUTE, RTM.NEWLINK, 0, layout)
  encodeLinkChange(message, change)
  message.attribute(UNKNOWN, () => message.u32(1))
  message.finish()
  return message
}

const VETH = messageOf({
  name: 'va',
  mtu: 1500,
  linkinfo: { kind: 'veth', data: { peer: { name: 'vb', mtu: 0x01020304 } } },
})

/** Every offset at which a path begins, with the path. */
function allPaths(message: Message): Map<string, number> {
  const paths = new Map<string, number>()
  for (let at = message.attributesAt; at < message.length; at += 4) {
    const path = attributePath(message, at)
    if (path !== '' && !paths.has(path)) paths.set(path, at)
  }
  return paths
}

describe('the attribute at an offset', () => {
  test('is named through all the nests around it', () => {
    assert.deepEqual(
      [...allPaths(VETH).keys()],
      [
        'name',
        'mtu',
        'linkinfo',
        'linkinfo.kind',
        'linkinfo.data',
        'linkinfo.data.peer',
        'linkinfo.data.peer.name',
        'linkinfo.data.peer.mtu',
        String(UNKNOWN),
      ],
    )
  })

  test('is the one whose bytes stand there', () => {
    const at = allPaths(VETH).get('linkinfo.data.peer.mtu')!
    const value = Buffer.from(VETH.bytes()).subarray(at + 4, at + 8)
    assert.equal(value.readInt32LE() === 0x01020304 || value.readInt32BE() === 0x01020304, true)
  })

  test('has no name before and behind the attributes', () => {
    for (const at of [0, 15, VETH.attributesAt - 4, VETH.length, VETH.length + 100]) {
      assert.equal(attributePath(VETH, at), '')
    }
  })
})

describe('an attribute that is missing', () => {
  test('at the top level is named by itself', () => {
    assert.equal(missingPath(VETH, IFLA.ADDRESS, null), 'address')
  })

  test('in a nest is named through it', () => {
    const paths = allPaths(VETH)
    assert.equal(missingPath(VETH, 1, paths.get('linkinfo')!), 'linkinfo.kind')
    assert.equal(
      missingPath(VETH, IFLA.ADDRESS, paths.get('linkinfo.data.peer')!),
      'linkinfo.data.peer.address',
    )
  })

  test('that no table knows is a number', () => {
    assert.equal(missingPath(VETH, UNKNOWN, null), String(UNKNOWN))
    assert.equal(missingPath(VETH, 9, allPaths(VETH).get(String(UNKNOWN))!), `${UNKNOWN}.9`)
  })
})
