import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setChannels } from '../../src/ethtool/channels.ts'
import { setFeature } from '../../src/ethtool/features.ts'
import { listNapi } from '../../src/netdev/napi.ts'
import { setLink } from '../../src/rtnetlink/link-operations.ts'
import { device, type NetnsHandle, xdpPass } from '../../src/sync.ts'
import { OWN_NETNS } from '../../src/wire/netns.ts'
import { kernelLacks } from '../tools/kernel-needs.ts'
import { inNetns, needsRoot } from '../tools/netns.ts'
import { real } from '../tools/real.ts'
import { vethIn } from '../tools/veth.ts'

function vethWithQueues(netns: NetnsHandle): number {
  const { index } = vethIn(netns, { numRxQueues: 3, numTxQueues: 3 })
  for (const device of ['va', 'vb']) real(setLink({ netns, device }, { up: true }))
  return index
}

/** LOOPBACK_IFINDEX */
const LOOPBACK = 1
const skip = needsRoot || kernelLacks(() => real(listNapi({ netns: OWN_NETNS, device: LOOPBACK })))

describe('the NAPI instances of a veth', { skip }, () => {
  test(
    'are none until GRO is on, then one per receive queue in use',
    inNetns(netns => {
      const index = vethWithQueues(netns)
      assert.deepEqual(real(listNapi({ netns, device: index })), [])
      real(setChannels({ netns, device: index }, { rx: 2 }))
      real(setFeature({ netns, device: index }, 'gro', true))
      assert.equal(real(listNapi({ netns, device: index })).length, 2)
      real(setChannels({ netns, device: index }, { rx: 3 }))
      assert.equal(real(listNapi({ netns, device: index })).length, 3)
      real(setFeature({ netns, device: index }, 'gro', false))
      assert.deepEqual(real(listNapi({ netns, device: index })), [])
    }),
  )

  test(
    'are one per receive queue while a program is attached',
    inNetns(netns => {
      const index = vethWithQueues(netns)
      const veth = device(index, { netns })
      const { rx } = veth.getChannels()
      const program = veth.attachXdp(xdpPass(), { mode: 'native' })
      assert.equal(real(listNapi({ netns, device: index })).length, rx)
      program.detach()
      assert.deepEqual(real(listNapi({ netns, device: index })), [])
    }),
  )

  test(
    'have ids of their own, and nothing of hardware',
    inNetns(netns => {
      const index = vethWithQueues(netns)
      real(setFeature({ netns, device: index }, 'gro', true))
      const list = real(listNapi({ netns, device: index }))
      assert.equal(new Set(list.map(({ id }) => id)).size, list.length)
      for (const napi of list) {
        assert.equal(napi.index, index)
        assert.ok(napi.id > 0)
        assert.equal(napi.irq, 0)
        assert.deepEqual(napi.unknown, [])
      }
    }),
  )

  test(
    'belong to the end that they were asked for',
    inNetns(netns => {
      const index = vethWithQueues(netns)
      real(setFeature({ netns, device: 'vb' }, 'gro', true))
      assert.deepEqual(real(listNapi({ netns, device: index })), [])
    }),
  )

  test(
    'of an index that nobody has are ENODEV',
    inNetns(netns => {
      assert.throws(() => real(listNapi({ netns, device: 4711 })), {
        code: 'ENODEV',
        syscall: 'NETDEV_CMD_NAPI_GET',
      })
    }),
  )
})
