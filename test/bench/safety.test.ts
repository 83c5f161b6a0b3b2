import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  dangerOf,
  type Lifelines,
  refuseForeignPrograms,
  refuseLifelines,
} from '../../bench/redirect/safety.ts'
import { createNetns, createVethPair, device, xdpPass } from '../../src/index.ts'
import { needsCommands } from '../tools/commands.ts'
import { needsRoot } from '../tools/netns.ts'
import { makeMachine } from './lifelines.ts'

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
  const danger = (index: number, lifelines: Lifelines) => dangerOf(index, links, lifelines, 'it')

  it('are named with what they carry', () => {
    assert.equal(danger(3, { ...NONE, sessions: [3] }), 'it carries an ssh session')
    assert.equal(danger(3, { ...NONE, defaultRoutes: [3] }), 'it carries the default route')
  })

  it('may be below what carries it: a bond, a bridge above that, a VLAN', () => {
    const lifelines = { sessions: [4], defaultRoutes: [6] }
    assert.equal(danger(2, lifelines), 'it is below br0, which carries the default route')
    assert.equal(danger(3, lifelines), 'it is below eth1.7, which carries an ssh session')
  })

  it('are none of those beside them', () => {
    const lifelines = { sessions: [3], defaultRoutes: [6, 8] }
    for (const beside of [4, 7, 1]) assert.equal(danger(beside, lifelines), null)
  })
})

describe('the benchmark does not take', { skip: needsCommands('ip') }, () => {
  it('a device that carries a lifeline, whatever it is called', async t => {
    const { netns, ip } = await makeMachine(t, 'eth0', 'eth1')
    ip('addr add 192.0.2.2/24 dev eth0')
    ip('route add default via 192.0.2.1')
    ip('link property add dev eth0 altname uplink-of-this-machine')
    const of = (ref: string | number) => device(ref, { netns })
    const words =
      /^Error: eth0 in netns .* carries the default route: what .* redirected away\. --force does it all/
    const { index } = await of('eth0').getLink()
    for (const ref of ['eth0', 'uplink-of-this-machine', index])
      await assert.rejects(refuseLifelines([of('eth1'), of(ref)]), words)
    await refuseLifelines([of('eth1')])
  })

  it('a peer in another namespace that carries one there, where it is given', async t => {
    const [host, container] = [await makeMachine(t, 'eth0'), await makeMachine(t, 'eth0')]
    container.ip('addr add 192.0.2.2/24 dev eth0')
    container.ip('route add default via 192.0.2.1')
    const of = ({ netns }: typeof host) => device('eth0', { netns })
    await refuseLifelines([of(host)])
    await refuseLifelines([of(host)], of(host))
    const words =
      /^Error: eth0 in netns .* the default route: --only peer=plain,gro attaches nothing there\. --force/
    await assert.rejects(refuseLifelines([of(host)], of(container)), words)
  })
})

it("somebody's program is never replaced", { skip: needsRoot }, async t => {
  const netns = await createNetns()
  t.after(() => netns.remove())
  const [veth] = await createVethPair({ name: 'va', netns, peer: 'vb' })
  await refuseForeignPrograms([veth])
  const theirs = await veth.attachXdp(xdpPass())
  await assert.rejects(refuseForeignPrograms([veth]), /program \d+ 'veth_nl_pass', native\).*detach it first/)
  await theirs.detach()
  await refuseForeignPrograms([veth])
})
