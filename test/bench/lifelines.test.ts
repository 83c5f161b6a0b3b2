import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { describe, it } from 'node:test'
import { readLifelines } from '../../bench/redirect/safety.ts'
import { needsCommands } from '../tools/commands.ts'
import { execIn } from '../tools/netns.ts'
import { EXTENSION, LOADER } from '../tools/this-run.ts'
import { connect, makeMachine } from './lifelines.ts'

const byNumber = (a: number, b: number) => a - b

describe('lifelines of a namespace', { skip: needsCommands('ip') }, () => {
  it('are default routes of both families, of all tables, by all next hops', async t => {
    const names = ['eth0', 'eth1', 'eth2', 'eth3', 'eth4', 'eth5']
    const { place, ip, indexesOf } = await makeMachine(t, ...names, 'eth6')
    for (const [at, name] of names.entries()) {
      ip(`addr add 192.0.${at}.2/24 dev ${name}`)
      ip(`addr add 2001:db8:${at}::2/64 dev ${name} nodad`)
    }
    ip('route add 198.51.100.0/24 dev eth6')
    ip('route add unreachable default table 7')
    ip('-6 route add unreachable default metric 4096')
    ip('route add default via 192.0.0.1')
    ip('route add default via 192.0.1.1 table 100')
    ip('route add default table 101 nexthop via 192.0.2.1 nexthop via 192.0.3.1')
    ip('-6 route add default nexthop via 2001:db8:4::1 nexthop via 2001:db8:5::1')
    const { defaultRoutes, sessions } = await readLifelines(place)
    assert.deepEqual(defaultRoutes.toSorted(byNumber), (await indexesOf(...names)).sort(byNumber))
    assert.deepEqual(sessions, [])
  })

  it('are those of next hops where the routes do not tell their devices', async t => {
    const { netns, place, ip, indexesOf } = await makeMachine(t, 'eth0', 'eth1')
    const mode = '/proc/sys/net/ipv4/nexthop_compat_mode'
    if (!existsSync(mode)) return t.skip('needs nexthop_compat_mode, Linux 5.8')
    execIn(netns, 'sh', '-c', `echo 0 >${mode}`)
    ip('addr add 192.0.2.2/24 dev eth0')
    ip('nexthop add id 7 via 192.0.2.1 dev eth0')
    ip('route add default nhid 7')
    assert.deepEqual((await readLifelines(place)).defaultRoutes, await indexesOf('eth0'))
  })

  it('are addresses with a connection to port 22, under a label too', async t => {
    const machine = await makeMachine(t, 'eth0', 'eth1', 'eth2', 'eth3')
    const { place, ip, indexesOf } = machine
    ip('link set dev lo up')
    ip('addr add 192.0.2.2/24 dev eth0 label eth0:1')
    ip('addr add 198.51.100.7/24 dev eth1')
    ip('addr add 2001:db8::1:0:7/64 dev eth2 nodad')
    ip('addr add 203.0.113.7/24 dev eth3')
    await connect(t, machine, '203.0.113.7', 2222)
    assert.deepEqual((await readLifelines(place)).sessions, [])
    await connect(t, machine, '192.0.2.2', 22)
    await connect(t, machine, '2001:db8::1:0:7', 22)
    const { sessions } = await readLifelines(place)
    assert.deepEqual(sessions.toSorted(byNumber), (await indexesOf('eth0', 'eth2')).sort(byNumber))
  })

  it('are IPv4 addresses of an sshd that listens by IPv6', async t => {
    const machine = await makeMachine(t, 'eth0', 'eth1')
    machine.ip('link set dev lo up')
    machine.ip('addr add 192.0.2.2/24 dev eth0')
    machine.ip('addr add 198.51.100.7/24 dev eth1')
    await connect(t, machine, '192.0.2.2', 22, '::')
    assert.deepEqual((await readLifelines(machine.place)).sessions, await machine.indexesOf('eth0'))
  })

  it('are those of the session that a process comes from, and of others by the same sshd', async t => {
    const machine = await makeMachine(t, 'eth0', 'eth1', 'eth2')
    machine.ip('link set dev lo up')
    machine.ip('addr add 192.0.2.2/24 dev eth0')
    machine.ip('addr add 198.51.100.7/24 dev eth1')
    machine.ip('addr add 203.0.113.7/24 dev eth2')
    await connect(t, machine, '198.51.100.7', 2222)
    await connect(t, machine, '203.0.113.7', 2223)
    const safety = new URL(`../../bench/redirect/safety${EXTENSION}`, import.meta.url)
    const script = `
      const { readLifelines } = await import('${safety}')
      const { sessions } = await readLifelines({ path: '', inode: null })
      console.log(JSON.stringify([process.env.SSH_CONNECTION ?? null, sessions]))`
    // As by sudo, which stays and hands it to nobody.
    const sudo = 'env -u SSH_CONNECTION "$@"; exit'
    const node = [process.execPath, ...LOADER, '--input-type=module', '-e', script]
    const shell = ['SSH_CONNECTION=203.0.113.99 50000 192.0.2.2 2222', 'sh', '-c', sudo, 'sh', ...node]
    const [told, sessions] = JSON.parse(execIn(machine.netns, 'env', ...shell))
    assert.equal(told, null)
    assert.deepEqual(sessions.sort(byNumber), (await machine.indexesOf('eth0', 'eth1')).sort(byNumber))
  })
})
