import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import {
  dangerOf,
  readLifelines,
  refuseForeignPrograms,
  refuseLifelines,
} from '../../bench/redirect/safety.ts'
import { createNetns, createVethPair, device, xdpPass } from '../../src/index.ts'
import { needsRoot } from '../tools/netns.ts'

const NONE = { defaultRoutes: [], sessions: [] }
const link = (index: number, name: string, master = 0, below = 0) => ({
  index,
  name,
  master,
  link: below,
  linkNetnsId: null,
})

describe('devices that carry a lifeline', () => {
  const links = [
    link(1, 'lo'),
    link(2, 'eth0', 5),
    link(3, 'eth1'),
    link(4, 'eth1.7', 0, 3),
    link(5, 'bond0', 6),
    link(6, 'br0'),
    link(7, 'veth0', 0, 8),
    link(8, 'veth1', 0, 7),
  ]

  it('are named with what they carry', () => {
    assert.equal(dangerOf('eth1', links, { ...NONE, sessions: ['eth1'] }), 'eth1 carries an ssh session')
    assert.equal(
      dangerOf('eth1', links, { ...NONE, defaultRoutes: ['eth1'] }),
      'eth1 carries the default route',
    )
  })

  it('may be below what carries it: a bond, a bridge above that, a VLAN', () => {
    const lifelines = { sessions: ['eth1.7'], defaultRoutes: ['br0'] }
    assert.equal(dangerOf('eth0', links, lifelines), 'eth0 is below br0, which carries the default route')
    assert.equal(dangerOf('eth1', links, lifelines), 'eth1 is below eth1.7, which carries an ssh session')
  })

  it('are none of those beside them', () => {
    const lifelines = { sessions: ['eth1'], defaultRoutes: ['br0', 'veth1'] }
    assert.equal(dangerOf('eth1.7', links, lifelines), null)
    assert.equal(dangerOf('veth0', links, lifelines), null)
    assert.equal(dangerOf('lo', links, lifelines), null)
  })
})

/** A folder that stands in the place of /, with these files in /proc/net. */
function rootWith(t: TestContext, files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'veth-nl-root-'))
  t.after(() => rmSync(root, { recursive: true }))
  mkdirSync(join(root, 'proc/net'), { recursive: true })
  for (const [name, content] of Object.entries(files)) writeFileSync(join(root, 'proc/net', name), content)
  return root
}

const address = (of: string) => [{ address: of } as import('node:os').NetworkInterfaceInfo]
const ADDRESSES = {
  eth0: address('192.0.2.2'),
  eth1: address('198.51.100.7'),
  eth2: address('2001:db8::1:0:7'),
}

describe('lifelines of this machine', () => {
  it('are the default routes of both families', t => {
    const root = rootWith(t, {
      route:
        'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n' +
        'eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n' +
        'eth1\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n',
      ipv6_route:
        `${'0'.repeat(32)} 00 ${'0'.repeat(32)} 00 ${'0'.repeat(32)} ffffffff 00000001 00000000 00200200 lo\n` +
        `${'0'.repeat(32)} 00 ${'0'.repeat(32)} 00 fe80${'0'.repeat(27)}1 00000400 00000001 00000000 00000003 eth2\n`,
    })
    assert.deepEqual(readLifelines(root, {}, {}), { defaultRoutes: ['eth0', 'eth2'], sessions: [] })
  })

  it('are addresses with a connection to port 22, or those of SSH_CONNECTION', t => {
    const head = '  sl  local_address rem_address   st tx_queue rx_queue tr\n'
    const root = rootWith(t, {
      tcp: `${head}   0: 020200C0:0016 0100007F:BA80 01 0:0\n   1: 076433C6:0016 00000000:0000 0A 0:0\n`,
      tcp6: `${head}   0: B80D01200000000001000000${'07000000'}:0016 ${'0'.repeat(32)}:1234 01 0:0\n`,
    })
    assert.deepEqual(readLifelines(root, ADDRESSES, {}).sessions, ['eth0', 'eth2'])
    const env = { SSH_CONNECTION: '203.0.113.9 50000 198.51.100.7 22' }
    assert.deepEqual(readLifelines(rootWith(t, {}), ADDRESSES, env).sessions, ['eth1'])
    const mapped = `${head}   0: 0000000000000000FFFF0000020200C0:0016 ${'0'.repeat(32)}:1234 01 0:0\n`
    assert.deepEqual(readLifelines(rootWith(t, { tcp6: mapped }), ADDRESSES, {}).sessions, ['eth0'])
  })
})

describe('on this machine', { skip: needsRoot }, () => {
  it('whatever carries the default route is refused', async () => {
    const { defaultRoutes } = readLifelines()
    for (const name of defaultRoutes) await assert.rejects(refuseLifelines([device(name)]), /--force/)
    await refuseLifelines([device('lo')])
  })

  it("somebody's program is never replaced", async t => {
    const netns = await createNetns()
    t.after(() => netns.remove())
    const [veth] = await createVethPair({ name: 'va', netns, peer: 'vb' })
    await refuseForeignPrograms([veth])
    const theirs = await veth.attachXdp(xdpPass())
    await assert.rejects(
      refuseForeignPrograms([veth]),
      /program \d+ 'veth_nl_pass', native\).*detach it first/,
    )
    await theirs.detach()
    await refuseForeignPrograms([veth])
  })
})
