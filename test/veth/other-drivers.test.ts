import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { type Device, device } from '../../src/sync.ts'
import { needsCommands } from '../tools/commands.ts'
import { kernelHas } from '../tools/kernel-needs.ts'
import { execIn, ownNetns } from '../tools/netns.ts'

/** What makes a device of the kind named x0, and whether its driver takes redirects. */
const KINDS = [
  ['bridge', 'link add x0 type bridge', false],
  ['dummy', 'link add x0 type dummy', false],
  ['vxlan', 'link add x0 type vxlan id 7 dstport 4789', false],
  ['tun', 'tuntap add x0 mode tap', true],
] as const

describe('a redirect into what is no veth', () => {
  for (const [kind, words, takes] of KINDS) {
    test(`${kind}: is judged by its bits`, { skip: needsCommands('ip') }, t => {
      const x0 = made(t, words)
      if (x0 === null) return t.skip(`this kernel makes no ${kind}`)
      const { delivers, code, summary, repairs, checks } = x0.explainRedirect()
      assert.deepEqual(repairs, [])
      assert.doesNotMatch(JSON.stringify(checks), /peer/)
      assert.equal(checks.find(({ name }) => name === 'kind')?.value, kind)
      if (!kernelHas(6, 3)) {
        assert.deepEqual([delivers, code], [null, null])
        assert.match(summary, /only Linux 6\.3 and later tell/)
      } else if (takes) {
        assert.deepEqual([delivers, code], [null, null])
        assert.match(summary, /hands the frame to the driver of x0 \(tun\), which is no veth/)
      } else {
        assert.deepEqual([delivers, code], [false, 'EOPNOTSUPP'])
        assert.match(
          summary,
          /^A native-mode redirect into x0 fails: x0 \(\w+\) lacks the xdp-feature ndo-xmit/,
        )
      }
      x0.down()
      const down = x0.explainRedirect()
      if (takes || !kernelHas(6, 3))
        assert.deepEqual([down.delivers, kernelHas(6, 3) ? down.code : 'ENETDOWN'], [false, 'ENETDOWN'])
      assert.equal(x0.explainRedirect({ mode: 'generic' }).code, 'ENETDOWN')
      assert.throws(() => x0.probeRedirect(), { code: 'ERR_VETH_NL_NOT_VETH' })
    })
  }
})

function made(t: TestContext, words: string): Device | null {
  const netns = ownNetns(t)
  try {
    execIn(netns, 'ip', ...words.split(' '))
  } catch (error) {
    if (/not supported|Unknown device type|No such device|\/dev\/net\/tun/.test(String(error))) return null
    throw error
  }
  const x0 = device('x0', { netns })
  x0.up()
  return x0
}
