import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type NetnsRef, netnsFrom, netnsLabel, netnsName, netnsPid, OWN_NETNS } from '../../src/wire/netns.ts'

describe('a namespace is given', () => {
  const forms: [what: string, ref: NetnsRef | undefined, path: string, label: string][] = [
    ['by nothing: the own one', undefined, '', 'this netns'],
    ['by its name', 'blue', '/run/netns/blue', 'netns blue'],
    ['by a name with blanks and dots', '..a b', '/run/netns/..a b', 'netns ..a b'],
    ['by a path', '/var/ns/red', '/var/ns/red', 'netns /var/ns/red'],
    ['by a process in it', { pid: 4711 }, '/proc/4711/ns/net', 'netns of process 4711'],
    ['by a descriptor', { fd: 0 }, '/proc/self/fd/0', 'netns of descriptor 0'],
  ]
  for (const [what, ref, path, label] of forms) {
    test(what, () => {
      const netns = netnsFrom(ref)
      assert.deepEqual(netns, { path, inode: null })
      assert.equal(netnsLabel(netns), label)
    })
  }

  test('by a handle, whose identity is kept and nothing else', () => {
    const handle = { path: '/run/netns/blue', inode: 4026532281, remove() {} }
    assert.deepEqual(netnsFrom(handle), { path: '/run/netns/blue', inode: 4026532281 })
  })
})

describe('a namespace is not given', () => {
  const mistakes: Record<string, unknown> = {
    'by an empty name': '',
    'by a name with a NUL byte': 'a\0b',
    'by a relative path': 'a/b',
    'by the directory itself': '.',
    'by the directory above': '..',
    'by process 0': { pid: 0 },
    'by a negative process id': { pid: -1 },
    'by half a process': { pid: 1.5 },
    'by a process id in words': { pid: '1' },
    'by a negative descriptor': { fd: -1 },
    'by a descriptor beyond an int': { fd: 0x80000000 },
    'by null': null,
    'by a number': 7,
    'by an empty object': {},
  }
  for (const [what, ref] of Object.entries(mistakes)) {
    test(what, () => {
      assert.throws(() => netnsFrom(ref as NetnsRef), { name: 'TypeError', message: /^netns/ })
    })
  }
})

test('a name is told from other paths', () => {
  assert.equal(netnsName(netnsFrom('blue')), 'blue')
  assert.equal(netnsName(netnsFrom('/var/ns/red')), null)
  assert.equal(netnsName(OWN_NETNS), null)
})

test('a process is told from other paths', () => {
  assert.equal(netnsPid(netnsFrom({ pid: 4711 })), 4711)
  assert.equal(netnsPid(netnsFrom({ fd: 4711 })), null)
  assert.equal(netnsPid(netnsFrom('/proc/self/ns/net')), null)
})
