import assert from 'node:assert/strict'
import { test } from 'node:test'
import { device, type FeatureChange, FeatureError } from '../../src/sync.ts'
import { execIn, needsRoot, ownNetns } from '../tools/netns.ts'
import { formsHere } from './forms.ts'
import { needsTool } from './tools.ts'

const root = { skip: needsRoot }
const noEthtool = needsRoot || needsTool('ethtool', '--version')
/** By the kernel's names and by ethtool's. */
const KNOWN = device('lo').getFeatures()

/** What ethtool -k prints: a name, on or off, and whether it is fixed. */
function printed(text: string): Map<string, { active: boolean; fixed: boolean }> {
  const features = new Map<string, { active: boolean; fixed: boolean }>()
  for (const [, name = '', state, fixed] of text.matchAll(/^\s*([\w-]+): (on|off)( \[fixed\])?/gm)) {
    features.set(name, { active: state === 'on', fixed: fixed !== undefined })
  }
  return features
}

for (const [form, api] of formsHere) {
  for (const [feature, on] of [
    ['gro', true],
    ['tso', false],
    ['rx-udp-gro-forwarding', true],
    ['tx-checksum-ip-generic', false],
    ['sg', false],
  ] as const) {
    const words = `${feature} ${on ? 'on' : 'off'}`
    const lacking = `needs feature ${feature} in the kernel`
    const ethtool = { skip: noEthtool || (feature in KNOWN ? false : lacking) }
    test(`${form}: after ${words} all features are as ethtool prints them`, ethtool, async t => {
      const netns = ownNetns(t)
      const [a] = await api.createVethPair({ name: 'a', netns, peer: 'b' })
      await a.setFeature(feature, on)
      const features = await a.getFeatures()
      const theirs = printed(execIn(netns, 'ethtool', '-k', 'a'))
      assert.ok(theirs.size > 50)
      for (const [name, expected] of theirs) {
        const ours = features[name]
        assert.ok(ours !== undefined, name)
        assert.deepEqual({ active: ours.active, fixed: ours.fixed }, expected, name)
      }
    })

    test(`${form}: ${words} changes what ethtool would change`, ethtool, async t => {
      const [ours, theirs] = [ownNetns(t), ownNetns(t)]
      const [a] = await api.createVethPair({ name: 'a', netns: ours, peer: 'b' })
      await api.createVethPair({ name: 'a', netns: theirs, peer: 'b' })
      await a.setFeature(feature, on)
      execIn(theirs, 'ethtool', '-K', 'a', feature, on ? 'on' : 'off')
      assert.equal(execIn(ours, 'ethtool', '-k', 'a'), execIn(theirs, 'ethtool', '-k', 'a'))
    })
  }

  test(`${form}: a change names the bits that changed, and none when it was so already`, root, async t => {
    const [a] = await api.createVethPair({ name: 'a', netns: ownNetns(t), peer: 'b' })
    const changed = async (feature: string, on: boolean) => (await a.setFeature(feature, on)).changed
    await a.setFeature('gro', false) // before Linux 5.13 it is on at once
    assert.deepEqual(await changed('gro', true), ['rx-gro'])
    assert.deepEqual(await changed('rx-gro', true), [])
    assert.deepEqual(await changed('generic-receive-offload', false), ['rx-gro'])
  })

  test(`${form}: tso stands for all TCP segmentation bits`, root, async t => {
    const [a] = await api.createVethPair({ name: 'a', netns: ownNetns(t), peer: 'b' })
    const { changed }: FeatureChange = await a.setFeature('tso', false)
    assert.ok(changed.length > 1)
    for (const name of changed) assert.match(name, /^tx-tcp.*-segmentation$/)
    const features = await a.getFeatures()
    assert.equal(features.tso.active, false)
    assert.ok(changed.every(name => features[name]?.active === false))
    await a.setFeature('tso', true)
    assert.equal((await a.getFeatures()).tso.active, true)
  })

  test(`${form}: an unknown feature is refused with names like it`, root, async t => {
    const [a] = await api.createVethPair({ name: 'a', netns: ownNetns(t), peer: 'b' })
    await assert.rejects(
      async () => await a.setFeature('rx-gor', true),
      (error: Error) => {
        assert.ok(error instanceof FeatureError)
        assert.equal(error.code, 'ERR_VETH_NL_FEATURE_UNKNOWN')
        assert.ok(error.near.includes('rx-gro'))
        assert.match(error.message, /^this kernel knows no feature 'rx-gor'; near it are .*'rx-gro'/)
        return true
      },
    )
  })

  test(`${form}: a fixed feature is refused`, root, async t => {
    const [a] = await api.createVethPair({ name: 'a', netns: ownNetns(t), peer: 'b' })
    assert.equal((await a.getFeatures())['rx-fcs']?.fixed, true)
    await assert.rejects(async () => await a.setFeature('rx-fcs', true), {
      name: 'FeatureError',
      code: 'ERR_VETH_NL_FEATURE_FIXED',
      message: "feature 'rx-fcs' of a is fixed: its driver keeps it off",
    })
  })

  test(`${form}: what the kernel did not do is never reported done`, root, async t => {
    // Without checksums there is no TCP segmentation, whatever is wanted. Source: netdev_fix_features().
    const [a] = await api.createVethPair({ name: 'a', netns: ownNetns(t), peer: 'b' })
    await a.setFeature('tx', false)
    await assert.rejects(async () => await a.setFeature('tx-tcp-segmentation', true), {
      name: 'FeatureError',
      code: 'ERR_VETH_NL_FEATURE_REFUSED',
    })
    assert.equal((await a.getFeatures())['tx-tcp-segmentation']?.active, false)
  })
}
