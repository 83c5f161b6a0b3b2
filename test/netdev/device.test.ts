import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setFeature } from '../../src/ethtool/features.ts'
import { getXdpFeatures } from '../../src/netdev/device.ts'
import { setLink } from '../../src/rtnetlink/link-operations.ts'
import { device, xdpPass } from '../../src/sync.ts'
import { OWN_NETNS } from '../../src/wire/netns.ts'
import { kernelLacks } from '../tools/kernel-needs.ts'
import { inNetns, needsRoot } from '../tools/netns.ts'
import { real } from '../tools/real.ts'
import { vethIn } from '../tools/veth.ts'

/** LOOPBACK_IFINDEX */
const LOOPBACK = 1

const skip = needsRoot || kernelLacks(() => real(getXdpFeatures({ netns: OWN_NETNS, device: LOOPBACK })))

describe('what a driver can do for XDP', { skip }, () => {
  test(
    'is nothing on loopback',
    inNetns(netns => {
      assert.deepEqual(real(getXdpFeatures({ netns, device: LOOPBACK })), [])
    }),
  )

  test(
    "includes to take redirected frames on a veth when, and only when, its peer's GRO is on",
    inNetns(netns => {
      const { index } = vethIn(netns)
      real(setLink({ netns, device: 'vb' }, { up: true }))
      const off = real(getXdpFeatures({ netns, device: index }))
      assert.ok(off.includes('basic') && off.includes('redirect'), String(off))
      assert.ok(!off.includes('ndo-xmit') && !off.includes('ndo-xmit-sg'), String(off))
      real(setFeature({ netns, device: 'vb' }, 'gro', true))
      const on = real(getXdpFeatures({ netns, device: index }))
      assert.ok(on.includes('ndo-xmit') && on.includes('ndo-xmit-sg'), String(on))
      real(setFeature({ netns, device: 'vb' }, 'gro', false))
      assert.deepEqual(real(getXdpFeatures({ netns, device: index })), off)
    }),
  )

  test(
    'includes to take redirected frames on a veth while a program is attached to its peer',
    inNetns(netns => {
      const { index } = vethIn(netns)
      const peer = device('vb', { netns })
      peer.up()
      const before = real(getXdpFeatures({ netns, device: index }))
      const program = peer.attachXdp(xdpPass(), { mode: 'native' })
      assert.ok(real(getXdpFeatures({ netns, device: index })).includes('ndo-xmit'))
      program.detach()
      assert.deepEqual(real(getXdpFeatures({ netns, device: index })), before)
    }),
  )

  test(
    'of an index that nobody has is ENODEV',
    inNetns(netns => {
      assert.throws(() => real(getXdpFeatures({ netns, device: 4711 })), {
        code: 'ENODEV',
        syscall: 'NETDEV_CMD_DEV_GET',
      })
    }),
  )
})
