import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { getLink, getLinkThrough, newLink } from '../../src/rtnetlink/link-operations.ts'
import { getNetnsId } from '../../src/rtnetlink/netns-id.ts'
import type { NetnsHandle } from '../../src/sync.ts'
import { netnsFrom, OWN_NETNS } from '../../src/wire/netns.ts'
import { needsCommands } from '../tools/commands.ts'
import { inNetns, needsRoot, ownNetns } from '../tools/netns.ts'
import { real } from '../tools/real.ts'

function vethBetween(netns: NetnsHandle, other: NetnsHandle): void {
  real(
    newLink(netns, { name: 'va', linkinfo: { kind: 'veth', data: { peer: { name: 'vb', netns: other } } } }),
  )
}

describe("a namespace's id in another", { skip: needsRoot }, () => {
  test(
    'is null as long as they have nothing to do with each other',
    inNetns((netns, t) => {
      assert.equal(real(getNetnsId(netns, ownNetns(t))), null)
    }),
  )

  test(
    'is the one that a veth between them tells',
    inNetns((netns, t) => {
      const other = ownNetns(t)
      vethBetween(netns, other)
      const { linkNetnsId } = real(getLink({ netns, device: 'va' }))
      assert.notEqual(linkNetnsId, null)
      assert.equal(real(getNetnsId(netns, other)), linkNetnsId)
      // The kernel gives the id when a link message first needs it.
      const back = real(getLink({ netns: other, device: 'vb' })).linkNetnsId
      assert.notEqual(back, null)
      assert.equal(real(getNetnsId(other, netns)), back)
    }),
  )

  test(
    'is found through a process in it',
    { skip: needsCommands('sleep') },
    inNetns(async (netns, t) => {
      const other = ownNetns(t)
      vethBetween(netns, other)
      const path = `--net=/proc/${process.pid}/fd/${other.fd}`
      const holder = spawn('nsenter', [path, '--', 'sh', '-c', 'echo there && exec sleep 60'])
      const ended = once(holder, 'exit')
      try {
        await once(holder.stdout, 'data')
        const id = real(getNetnsId(netns, netnsFrom({ pid: holder.pid! })))
        assert.notEqual(id, null)
        assert.equal(id, real(getNetnsId(netns, other)))
      } finally {
        holder.kill()
        await ended
      }
    }),
  )

  test(
    'serves to ask for a link there',
    inNetns((netns, t) => {
      const other = ownNetns(t)
      vethBetween(netns, other)
      const { linkNetnsId, link } = real(getLink({ netns, device: 'va' }))
      assert.deepEqual(
        real(getLinkThrough(netns, linkNetnsId!, link)).name,
        real(getLink({ netns: other, device: 'vb' })).name,
      )
      assert.throws(() => real(getLinkThrough(netns, linkNetnsId! + 100, link)), {
        code: 'EINVAL',
        attribute: /^(TARGET_NETNSID|46|)$/,
      })
    }),
  )
})

test('a process that is gone is ESRCH', () => {
  const beyondEveryLimit = 0x7fffffff
  assert.throws(() => real(getNetnsId(OWN_NETNS, netnsFrom({ pid: beyondEveryLimit }))), {
    name: 'NetlinkError',
    code: 'ESRCH',
    syscall: 'RTM_GETNSID',
  })
})
