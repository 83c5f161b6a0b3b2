import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { describe, test } from 'node:test'
import { inNetns, quoted } from '../../src/veth/shell-command.ts'
import { netnsFrom, OWN_NETNS } from '../../src/wire/netns.ts'

const SHOW = 'ip link show eth0'

describe('a command for a shell', () => {
  for (const [what, netns, expected] of [
    ['the own namespace', OWN_NETNS, 'ip link show eth0'],
    ['a named one', netnsFrom('blue'), 'ip netns exec blue ip link show eth0'],
    ['one of a process', netnsFrom({ pid: 12 }), 'nsenter -t 12 -n ip link show eth0'],
    ['one of a descriptor of ours', netnsFrom({ fd: 7 }), 'nsenter --net=/proc/4711/fd/7 ip link show eth0'],
    ['one with a path', netnsFrom('/a b/c'), "nsenter '--net=/a b/c' ip link show eth0"],
  ] as const) {
    test(`enters ${what}`, () => assert.equal(inNetns(netns, SHOW, 4711), expected))
  }

  for (const word of ['a;id;`id`#', '$(id)', "it's", '*', '~root', 'é', '\u001b[31m', 'a\nb', '\\', '']) {
    test(`hands ${JSON.stringify(word)} through bash as it is`, () => {
      const command = inNetns(OWN_NETNS, `printf %s ${quoted(word)}`, 1)
      assert.equal(execFileSync('bash', ['-c', command], { encoding: 'utf8' }), word)
    })
  }

  test('shows no control character', () => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    assert.doesNotMatch(quoted('\u001b[31m\u0007'), /[\x00-\x1f]/)
  })
})
