import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { PromiseKernel } from '../../src/kernel/async-kernel.ts'
import { run } from '../../src/kernel/kernel.ts'
import { deleteLink, getLink, listLinks, newLink, setLink } from '../../src/rtnetlink/link-operations.ts'
import type { NetnsHandle } from '../../src/sync.ts'
import { InterruptedDumpError } from '../../src/wire/errors.ts'
import { needsCommands } from '../tools/commands.ts'
import { execIn, inNetns, needsRoot, ownNetns } from '../tools/netns.ts'
import { real } from '../tools/real.ts'
import { often } from '../tools/this-run.ts'

const ALTERNATIVE = 'an-alternative-name-of-more-than-fifteen-bytes'

function addVeth(netns: NetnsHandle, name: string, peer: string): void {
  real(newLink(netns, { name, linkinfo: { kind: 'veth', data: { peer: { name: peer } } } }))
}

/** Does what it can to give a link another name. */
function addAlternativeName(netns: NetnsHandle, device: string, name: string): string | false {
  try {
    execIn(netns, 'ip', 'link', 'property', 'add', 'dev', device, 'altname', name)
    return false
  } catch (error) {
    return `ip cannot give alternative names: ${(error as Error).message.split('\n')[1]}`
  }
}

describe('a link', { skip: needsRoot }, () => {
  test(
    'is found by its name and by its index',
    inNetns(netns => {
      addVeth(netns, 'va', 'vb')
      const byName = real(getLink({ netns, device: 'va' }))
      assert.equal(byName.name, 'va')
      assert.equal(byName.kind, 'veth')
      assert.deepEqual(real(getLink({ netns, device: byName.index })), byName)
      assert.notEqual(real(getLink({ netns, device: 'vb' })).index, byName.index)
    }),
  )

  test(
    'is found by a name that only an alternative one can be',
    { skip: needsCommands('ip') },
    inNetns((netns, t) => {
      addVeth(netns, 'va', 'vb')
      const why = addAlternativeName(netns, 'va', ALTERNATIVE)
      if (why !== false) return t.skip(why)
      const link = real(getLink({ netns, device: ALTERNATIVE }))
      assert.equal(link.name, 'va')
      assert.deepEqual(link.altNames, [ALTERNATIVE])
    }),
  )

  test(
    'is found by a short alternative name too',
    { skip: needsCommands('ip') },
    inNetns((netns, t) => {
      addVeth(netns, 'va', 'vb')
      const why = addAlternativeName(netns, 'va', 'short')
      if (why !== false) return t.skip(why)
      assert.equal(real(getLink({ netns, device: 'short' })).name, 'va')
    }),
  )

  for (const device of ['nobody', 'nobody-of-more-than-fifteen-bytes', 4711]) {
    test(
      `that does not exist is ENODEV: ${device}`,
      inNetns(netns => {
        assert.throws(() => real(getLink({ netns, device })), {
          name: 'NetlinkError',
          code: 'ENODEV',
          syscall: 'RTM_GETLINK',
          device: String(device),
        })
      }),
    )
  }

  test(
    'is made as asked for',
    inNetns(netns => {
      const address = '02:00:00:00:00:0a'
      const first = { name: 'va', address, mtu: 1400, up: true, numTxQueues: 3, numRxQueues: 2 }
      const peer = { name: 'vb', mtu: 1300, numTxQueues: 4, numRxQueues: 5 }
      real(newLink(netns, { ...first, linkinfo: { kind: 'veth', data: { peer } } }))
      const { up: _, ...fields } = first
      const made = real(getLink({ netns, device: 'va' }))
      assert.equal(made.up, true)
      for (const [field, value] of Object.entries(fields))
        assert.equal(made[field as keyof typeof made], value)
      const other = real(getLink({ netns, device: 'vb' }))
      for (const [field, value] of Object.entries(peer))
        assert.equal(other[field as keyof typeof other], value)
      assert.equal(other.link, made.index)
    }),
  )

  test(
    'is changed in what is given and in nothing else',
    inNetns(netns => {
      addVeth(netns, 'va', 'vb')
      const before = real(getLink({ netns, device: 'va' }))
      real(setLink({ netns, device: 'va' }, { mtu: 1400 }))
      assert.deepEqual(real(getLink({ netns, device: 'va' })), Object.assign(before, { mtu: 1400 }))
      real(setLink({ netns, device: 'va' }, { up: true }))
      assert.equal(real(getLink({ netns, device: 'va' })).up, true)
      real(setLink({ netns, device: 'va' }, { mtu: 1500 }))
      assert.equal(real(getLink({ netns, device: 'va' })).up, true)
      real(setLink({ netns, device: 'va' }, { up: false }))
      assert.equal(real(getLink({ netns, device: 'va' })).up, false)
    }),
  )

  test(
    'takes a new name',
    inNetns(netns => {
      addVeth(netns, 'va', 'vb')
      const { index } = real(getLink({ netns, device: 'va' }))
      real(setLink({ netns, device: 'va' }, { name: 'vc' }))
      assert.equal(real(getLink({ netns, device: 'vc' })).index, index)
      assert.throws(() => real(getLink({ netns, device: 'va' })), { code: 'ENODEV' })
    }),
  )

  test(
    'goes to another namespace',
    inNetns((netns, t) => {
      const other = ownNetns(t)
      addVeth(netns, 'va', 'vb')
      real(setLink({ netns, device: 'va' }, { netns: other }))
      assert.equal(real(getLink({ netns: other, device: 'va' })).kind, 'veth')
      assert.throws(() => real(getLink({ netns, device: 'va' })), { code: 'ENODEV' })
    }),
  )

  test(
    'can be made with its peer in another namespace',
    inNetns((netns, t) => {
      const other = ownNetns(t)
      real(
        newLink(netns, {
          name: 'va',
          linkinfo: { kind: 'veth', data: { peer: { name: 'vb', netns: other } } },
        }),
      )
      assert.equal(real(getLink({ netns: other, device: 'vb' })).kind, 'veth')
      assert.throws(() => real(getLink({ netns, device: 'vb' })), { code: 'ENODEV' })
    }),
  )

  test(
    'is deleted, and its peer with it',
    inNetns(netns => {
      addVeth(netns, 'va', 'vb')
      real(deleteLink({ netns, device: 'va' }))
      assert.deepEqual(
        real(listLinks(netns)).map(({ name }) => name),
        ['lo'],
      )
    }),
  )

  test(
    'whose name is taken is refused',
    inNetns(netns => {
      addVeth(netns, 'va', 'vb')
      assert.throws(() => addVeth(netns, 'va', 'vc'), {
        code: 'EEXIST',
        syscall: 'RTM_NEWLINK',
        device: 'va',
      })
    }),
  )

  test(
    "is refused with the path of the attribute that the kernel objects to, and the kernel's words",
    inNetns(netns => {
      const peer = { name: 'a-name-of-more-than-fifteen-bytes' }
      assert.throws(() => real(newLink(netns, { name: 'va', linkinfo: { kind: 'veth', data: { peer } } })), {
        name: 'NetlinkError',
        code: 'ERANGE',
        attribute: 'linkinfo.data.peer.name',
        reason: /\S/,
      })
    }),
  )
})

describe('a list of hundreds of links', { skip: needsRoot }, () => {
  const PAIRS = 200

  function addMany(netns: NetnsHandle): void {
    for (let i = 0; i < PAIRS; i++) addVeth(netns, `va${i}`, `vb${i}`)
  }

  test(
    'is what each of them says of itself',
    inNetns(netns => {
      addMany(netns)
      const links = real(listLinks(netns))
      assert.equal(links.length, 2 * PAIRS + 1)
      for (const link of links) assert.deepEqual(real(getLink({ netns, device: link.index })), link)
    }),
  )

  test(
    'is the same by promises',
    inNetns(async netns => {
      addMany(netns)
      assert.deepEqual(await run(listLinks(netns), new PromiseKernel()), real(listLinks(netns)))
    }),
  )

  test(
    'holds no link twice while others come and go',
    { skip: needsCommands('ip') },
    inNetns(async netns => {
      addMany(netns)
      // Not to be stopped by a dump that holds JavaScript: a process of its own.
      const fd = `/proc/${process.pid}/fd/${netns.fd}`
      const script = `while :; do ip link add xa type veth peer name xb && ip link del xa; done`
      const busy = spawn('nsenter', [`--net=${fd}`, '--', 'sh', '-c', script], { stdio: 'ignore' })
      const ended = once(busy, 'exit')
      try {
        await once(busy, 'spawn')
        const kernel = new PromiseKernel()
        const rounds = often(50, 10)
        for (const list of [() => run(listLinks(netns), kernel), async () => real(listLinks(netns))]) {
          for (let round = 0; round < rounds; round++) {
            const links = await list().catch((error: unknown) => {
              assert.ok(error instanceof InterruptedDumpError, String(error))
              return null
            })
            if (links === null) continue
            const indexes = links.map(({ index }) => index)
            assert.equal(new Set(indexes).size, indexes.length)
            const stable = links.filter(({ name }) => !name.startsWith('x'))
            assert.equal(stable.length, 2 * PAIRS + 1)
          }
        }
      } finally {
        busy.kill()
        await ended
      }
    }),
  )
})
