import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { describeMachine, MACHINE } from '../../bench/redirect/machine.ts'
import { describeNic, NIC } from '../../bench/redirect/nic-record.ts'
import { createNetns, createVethPair, type Device, type Link } from '../../src/index.ts'
import { needsTool } from '../api/tools.ts'
import { needsRoot } from '../tools/netns.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'veth-nl-machine-'))
})
afterEach(() => rmSync(root, { recursive: true }))

function write(file: string, content: string): void {
  mkdirSync(dirname(join(root, file)), { recursive: true })
  writeFileSync(join(root, file), content)
}

describe("the machine's record", () => {
  it('is of this machine, and readable again', () => {
    const record = describeMachine()
    assert.equal(record.kernel, readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim())
    assert.ok(record.cpus > 0)
    assert.deepEqual(MACHINE(JSON.parse(JSON.stringify(record)), 'machine'), record)
  })

  it('has what /sys and /proc tell', () => {
    const cpu = 'sys/devices/system/cpu'
    for (const [at, governor] of ['powersave', 'performance', 'powersave'].entries()) {
      write(`${cpu}/cpu${at}/cpufreq/scaling_governor`, `${governor}\n`)
    }
    write(`${cpu}/cpufreq/boost`, '1\n')
    write(`${cpu}/smt/active`, '0\n')
    write(`${cpu}/isolated`, '2-3\n')
    write(`${cpu}/vulnerabilities/spectre_v2`, 'Mitigation: Retpolines\n')
    write(`${cpu}/vulnerabilities/l1tf`, 'Not affected\n')
    write('proc/cpuinfo', 'model name\t: X\nflags\t\t: fpu hypervisor lm\n')
    write('proc/sys/kernel/version', '#1 SMP\n')
    const { governor, smt, isolated, mitigations, virtual, build } = describeMachine(root)
    assert.deepEqual(
      { governor, smt, isolated, mitigations, virtual, build },
      {
        governor: 'performance, powersave',
        smt: false,
        isolated: '2-3',
        mitigations: { l1tf: 'Not affected', spectre_v2: 'Mitigation: Retpolines' },
        virtual: true,
        build: '#1 SMP',
      },
    )
  })

  it('has null for what they do not tell', () => {
    const { governor, smt, isolated, mitigations, virtual, build } = describeMachine(root)
    assert.deepEqual(
      [governor, smt, isolated, mitigations, virtual, build],
      [null, null, null, null, null, null],
    )
  })

  it('tells none from not told', () => {
    write('sys/devices/system/cpu/isolated', '\n')
    assert.equal(describeMachine(root).isolated, '')
  })
})

/** A NIC whose kernel tells what is given, which no test machine need have. */
function nicLike(link: Partial<Link>, path = ''): Device {
  const rest = { name: 'eth1', kind: '', mtu: 1500, parentBus: '', parentName: '', ...link }
  return {
    netns: { path, inode: null },
    getLink: async () => rest,
    getChannels: async () => {
      throw Object.assign(new Error('no channels'), { code: 'EOPNOTSUPP' })
    },
    getFeatures: async () => ({ 'rx-gro': { active: true }, 'rx-lro': { active: false } }),
  } as unknown as Device
}

describe("the NIC's record", () => {
  it('has the driver of its parent', async () => {
    const device = join(root, 'sys/bus/pci/devices/0000:00:05.0')
    mkdirSync(device, { recursive: true })
    symlinkSync('../../../../bus/pci/drivers/igb', join(device, 'driver'))
    write('sys/module/igb/version', '5.6.0-k\n')
    assert.deepEqual(await describeNic(nicLike({ parentBus: 'pci', parentName: '0000:00:05.0' }), root), {
      name: 'eth1',
      driver: 'igb',
      driverVersion: '5.6.0-k',
      bus: 'pci 0000:00:05.0',
      mtu: 1500,
      queues: null,
      offloads: ['rx-gro'],
    })
  })

  it('is looked for by name where the kernel tells no parent, in the own namespace only', async () => {
    const device = join(root, 'sys/class/net/eth1/device')
    mkdirSync(device, { recursive: true })
    symlinkSync('../../../bus/virtio/drivers/virtio_net', join(device, 'driver'))
    assert.equal((await describeNic(nicLike({}), root)).driver, 'virtio_net')
    assert.equal((await describeNic(nicLike({}, '/proc/1/ns/net'), root)).driver, null)
  })

  it('is of a real veth, as ethtool shows it', {
    skip: needsRoot || needsTool('ethtool', '--version'),
  }, async () => {
    const netns = await createNetns()
    try {
      const [nic] = await createVethPair({ name: 'nic0', netns, peer: { name: 'gen0', netns } })
      await nic.setFeature('gro', true)
      const record = await describeNic(nic)
      assert.deepEqual([record.name, record.driver, record.bus, record.mtu], ['nic0', 'veth', null, 1500])
      assert.ok(record.offloads?.includes('rx-gro'))
      const { stdout } = spawnSync(
        'nsenter',
        [`--net=/proc/${process.pid}/fd/${netns.fd}`, 'ethtool', '-k', 'nic0'],
        {
          encoding: 'utf8',
        },
      )
      const on = (name: string) => new RegExp(`^\\s*${name}: on`, 'm').test(stdout)
      assert.ok(on('generic-receive-offload'))
      for (const name of ['tx-nocache-copy', 'highdma', 'tx-vlan-stag-hw-insert', 'rx-gro-list']) {
        assert.equal(record.offloads?.includes(name), on(name), name)
      }
      assert.deepEqual(NIC(JSON.parse(JSON.stringify(record)), 'nic'), record)
    } finally {
      await netns.remove()
    }
  })
})
