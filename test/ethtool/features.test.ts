import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  type Feature,
  FeatureError,
  type Features,
  getFeatures,
  setFeature,
} from '../../src/ethtool/features.ts'
import { ETH_SS, getStringSet } from '../../src/ethtool/string-set.ts'
import type { NetnsHandle } from '../../src/sync.ts'
import { netnsFrom, OWN_NETNS } from '../../src/wire/netns.ts'
import { needsCommands } from '../tools/commands.ts'
import { execIn, inNetns, needsRoot } from '../tools/netns.ts'
import { real } from '../tools/real.ts'
import { vethIn } from '../tools/veth.ts'

/** What `ethtool -k` prints: 'name: on', 'name: off [fixed]', 'name: off [requested on]'. */
function printedFeatures(netns: NetnsHandle, device: string): Map<string, Feature> {
  const printed = new Map<string, Feature>()
  for (const line of execIn(netns, 'ethtool', '-k', device).split('\n').slice(1)) {
    const [, name, state, note = ''] = /^\s*([\w-]+): (on|off)(?: \[(.*)\])?$/.exec(line) ?? []
    if (name === undefined) continue
    const active = state === 'on'
    const wanted = note.startsWith('requested') ? note.endsWith('on') : active
    printed.set(name, { active, wanted, fixed: note === 'fixed' })
  }
  return printed
}

/** ethtool prints 'fixed' and 'requested' for no group, nor what is wanted of what is fixed. */
function comparable({ active, wanted, fixed }: Feature, isGroup: boolean): Partial<Feature> {
  if (isGroup) return { active }
  return fixed ? { active, fixed } : { active, wanted, fixed }
}

function assertAsPrinted(netns: NetnsHandle, device: string): void {
  const features = real(getFeatures({ netns, device })) as Features
  const printed = printedFeatures(netns, device)
  assert.ok(printed.size > 30)
  for (const [name, theirs] of printed) {
    const isGroup = !Object.keys(features).includes(name)
    const ours = features[name]
    assert.ok(ours !== undefined, `'${name}' is a feature`)
    assert.deepEqual(comparable(ours, isGroup), comparable(theirs, isGroup), name)
  }
  const kernelNames = Object.keys(features).filter(name => !printed.has(name))
  // ethtool prints the groups of one member under their long names.
  for (const name of kernelNames) {
    const { active } = features[name]!
    const group = [...printed.keys()].filter(long => features[long] === features[name])
    assert.ok(group.length > 0, `ethtool prints '${name}'`)
    assert.equal(printed.get(group[0]!)?.active, active)
  }
}

describe('features', { skip: needsRoot }, () => {
  test(
    'are those that ethtool(8) prints',
    { skip: needsCommands('ethtool') },
    inNetns(netns => {
      vethIn(netns)
      for (const device of ['lo', 'va']) assertAsPrinted(netns, device)
    }),
  )

  test(
    'are those that ethtool(8) prints after it has changed some',
    { skip: needsCommands('ethtool') },
    inNetns(netns => {
      vethIn(netns)
      for (const words of ['gro on', 'tso off', 'tx off', 'sg off', 'gso off', 'rxvlan off', 'tx on']) {
        execIn(netns, 'ethtool', '-K', 'va', ...words.split(' '))
        assertAsPrinted(netns, 'va')
      }
    }),
  )

  test(
    'are the same by name and by index',
    inNetns(netns => {
      const { index } = vethIn(netns)
      assert.deepEqual(
        real(getFeatures({ netns, device: index })),
        real(getFeatures({ netns, device: 'va' })),
      )
    }),
  )

  test(
    "are not those of the other end, nor of another namespace's device of that name",
    inNetns(netns => {
      vethIn(netns)
      real(setFeature({ netns, device: 'vb' }, 'gro', false)) // before Linux 5.13 it is on at once
      real(setFeature({ netns, device: 'va' }, 'gro', true))
      assert.equal(real(getFeatures({ netns, device: 'va' })).gro.active, true)
      assert.equal(real(getFeatures({ netns, device: 'vb' })).gro.active, false)
    }),
  )

  test(
    'of a device that does not exist are ENODEV',
    inNetns(netns => {
      assert.throws(() => real(getFeatures({ netns, device: 'nobody' })), {
        name: 'NetlinkError',
        code: 'ENODEV',
        syscall: 'ETHTOOL_MSG_FEATURES_GET',
        device: 'nobody',
      })
    }),
  )
})

describe('setting a feature', { skip: needsRoot }, () => {
  test(
    'says which bits of the kernel changed',
    inNetns(netns => {
      vethIn(netns)
      const ref = { netns, device: 'va' }
      real(setFeature(ref, 'gro', false))
      const expected = { feature: 'gro', on: true }
      assert.deepEqual(real(setFeature(ref, 'gro', true)), { ...expected, changed: ['rx-gro'], missed: [] })
      assert.deepEqual(real(setFeature(ref, 'gro', true)), { ...expected, changed: [], missed: [] })
    }),
  )

  test(
    'of a group changes all that can be changed of it',
    inNetns(netns => {
      vethIn(netns)
      const ref = { netns, device: 'va' }
      const { changed } = real(setFeature(ref, 'tso', false))
      assert.ok(changed.length > 1)
      const after = real(getFeatures(ref))
      for (const name of changed) assert.equal(after[name]?.active, false)
      assert.equal(after.tso.active, false)
      assert.deepEqual(real(setFeature(ref, 'tso', true)).changed, changed)
    }),
  )

  test(
    'that depends on another one is refused in words, though the kernel reports no error',
    inNetns(netns => {
      vethIn(netns)
      const ref = { netns, device: 'va' }
      real(setFeature(ref, 'sg', false))
      assert.throws(() => real(setFeature(ref, 'gso', true)), {
        name: 'FeatureError',
        code: 'ERR_VETH_NL_FEATURE_REFUSED',
        feature: 'gso',
        message: /still off.*wanted now/,
      })
      const { gso } = real(getFeatures(ref))
      assert.deepEqual([gso.active, gso.wanted], [false, true])
    }),
  )

  test(
    'that is fixed is refused before anything is sent',
    inNetns(netns => {
      const ref = { netns, device: 'lo' }
      const fixed = Object.entries(real(getFeatures(ref))).find(
        ([, feature]) => feature.fixed && feature.active,
      )
      assert.ok(fixed !== undefined)
      assert.throws(() => real(setFeature(ref, fixed[0], false)), {
        code: 'ERR_VETH_NL_FEATURE_FIXED',
        message: /fixed: its driver keeps it on/,
      })
    }),
  )

  test(
    'that nobody knows names those like it',
    inNetns(netns => {
      assert.throws(
        () => real(setFeature({ netns, device: 'lo' }, 'rx-grow', true)),
        (error: FeatureError) => {
          assert.ok(error instanceof FeatureError)
          assert.equal(error.code, 'ERR_VETH_NL_FEATURE_UNKNOWN')
          assert.ok(error.near.includes('rx-gro'), String(error.near))
          return true
        },
      )
    }),
  )
})

test('features of loopback can be read without a privilege', () => {
  assert.equal(typeof real(getFeatures({ netns: netnsFrom(undefined), device: 'lo' })).gro.active, 'boolean')
})

test("the kernel's names of features are all different, and in the places of their bits", () => {
  const names = real(getStringSet(ETH_SS.FEATURES)).filter(name => name !== '')
  assert.ok(names.length > 40)
  assert.equal(new Set(names).size, names.length)
  assert.deepEqual(Object.keys(real(getFeatures({ netns: OWN_NETNS, device: 'lo' }))), names)
})
