import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { getChannels, setChannels } from '../../src/ethtool/channels.ts'
import { needsCommands } from '../tools/commands.ts'
import { execIn, inNetns } from '../tools/netns.ts'
import { real } from '../tools/real.ts'
import { vethIn } from '../tools/veth.ts'
import { needsVethChannels } from '../tools/veth-channels.ts'

const QUEUES = { numRxQueues: 4, numTxQueues: 5 }

/** The lines of `ethtool -l`: first the maxima, then what is set; 'n/a' is 0. */
function printedChannels(text: string): Record<string, number> {
  const numbers = [...text.matchAll(/^(RX|TX|Other|Combined):\s+(\d+|n\/a)/gm)].map(
    ([, name, value]) => [name!.toLowerCase(), Number(value) || 0] as const,
  )
  const maxima = numbers.slice(0, 4).map(([name, value]) => [`${name}Max`, value])
  return Object.fromEntries([...maxima, ...numbers.slice(4)])
}

describe('channels', { skip: needsVethChannels }, () => {
  test(
    'are those that ethtool(8) prints',
    { skip: needsCommands('ethtool') },
    inNetns(netns => {
      vethIn(netns, QUEUES)
      const { unknown: _, ...ours } = real(getChannels({ netns, device: 'va' }))
      assert.deepEqual(ours, printedChannels(execIn(netns, 'ethtool', '-l', 'va')))
      execIn(netns, 'ethtool', '-L', 'va', 'rx', '3', 'tx', '2')
      const { rx, tx } = real(getChannels({ netns, device: 'va' }))
      assert.deepEqual([rx, tx], [3, 2])
    }),
  )

  test(
    'have the queues of the link as their maxima',
    inNetns(netns => {
      const { numRxQueues, numTxQueues } = vethIn(netns, QUEUES)
      const { rxMax, txMax } = real(getChannels({ netns, device: 'va' }))
      assert.deepEqual([rxMax, txMax], [numRxQueues, numTxQueues])
    }),
  )

  test(
    'are set as asked for, and the others stay',
    inNetns(netns => {
      vethIn(netns, QUEUES)
      const ref = { netns, device: 'va' }
      const before = real(getChannels(ref))
      const rx = before.rx === 2 ? 3 : 2
      const after = real(setChannels(ref, { rx }))
      assert.deepEqual(after, Object.assign(before, { rx }))
      assert.deepEqual(real(getChannels(ref)), after)
    }),
  )

  test(
    'beyond the maxima are refused with the attribute and the kernel’s words',
    inNetns(netns => {
      vethIn(netns, QUEUES)
      assert.throws(() => real(setChannels({ netns, device: 'va' }, { rx: QUEUES.numRxQueues + 1 })), {
        code: 'EINVAL',
        syscall: 'ETHTOOL_MSG_CHANNELS_SET',
        attribute: 'rx',
        reason: /\S/,
      })
    }),
  )

  test(
    'that are no numbers of queues are refused before anything is asked',
    inNetns(netns => {
      for (const rx of [-1, 1.5, Number.NaN, '2' as unknown as number]) {
        assert.throws(() => real(setChannels({ netns, device: 'nobody' }, { rx })), TypeError)
      }
    }),
  )

  test(
    'of a driver without any are EOPNOTSUPP',
    inNetns(netns => {
      assert.throws(() => real(getChannels({ netns, device: 'lo' })), { code: 'EOPNOTSUPP' })
    }),
  )
})
