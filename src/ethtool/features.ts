import { nested } from '../wire/attribute.ts'
import { quote } from '../wire/check-options.ts'
import { type DeviceRef, deviceLabel } from '../wire/device-ref.ts'
import type { Operation } from '../wire/operation.ts'
import { command, get } from '../wire/request.ts'
import { encodeAttributes, NO_UNKNOWN, table } from '../wire/table.ts'
import { BITSET, Bitset, bitsetOf, hasBit } from './bitset.ts'
import { aliasesOf, type FeatureAlias, nearNames } from './feature-names.ts'
import { A_HEADER, ETHTOOL_FLAG, ethtoolMessage, ethtoolReply } from './message.ts'
import { ETH_SS, getStringSet } from './string-set.ts'

/** ETHTOOL_A_FEATURES_*. Source: net/ethtool/features.c. */
export const A_FEATURES = { HW: 2, WANTED: 3, ACTIVE: 4, NOCHANGE: 5 } as const

class FeaturesReply {
  unknown = NO_UNKNOWN
  /** value: can be changed; mask: exists. */
  hw = new Bitset()
  wanted = new Bitset()
  active = new Bitset()
  noChange = new Bitset()
}
const FEATURES = table<FeaturesReply>(
  [
    [A_FEATURES.HW, 'hw', nested(Bitset, BITSET)],
    [A_FEATURES.WANTED, 'wanted', nested(Bitset, BITSET)],
    [A_FEATURES.ACTIVE, 'active', nested(Bitset, BITSET)],
    [A_FEATURES.NOCHANGE, 'noChange', nested(Bitset, BITSET)],
  ],
  [A_HEADER],
)

/** One feature of a device, or a group of them under an alias. */
export interface Feature {
  /** In effect; a group is when any of it is. */
  readonly active: boolean
  /** Asked for by somebody; the kernel may not (yet) follow. */
  readonly wanted: boolean
  /** Cannot be changed; a group is when none of it can. */
  readonly fixed: boolean
}

/**
 * By every name of the kernel's ('rx-gro'), and by ethtool's aliases ('gro', 'generic-receive-offload'), which
 * are not enumerated. A group of which this kernel has no member, as 'ufo', is off and fixed.
 */
export type Features = Readonly<Record<string, Feature>> & Readonly<Record<FeatureAlias, Feature>>

/** What setFeature() did. */
export interface FeatureChange {
  /** The name it was asked by. */
  readonly feature: string
  readonly on: boolean
  /** The kernel's names of the bits that are otherwise than before; none when it was so already. */
  readonly changed: readonly string[]
  /** Members of a group that did not follow, as something else keeps them; none for a single feature. */
  readonly missed: readonly string[]
}

/** A feature that cannot be set as asked, though the kernel reported no error. */
export class FeatureError extends Error {
  override name = 'FeatureError'
  readonly code: 'ERR_VETH_NL_FEATURE_UNKNOWN' | 'ERR_VETH_NL_FEATURE_FIXED' | 'ERR_VETH_NL_FEATURE_REFUSED'
  readonly feature: string
  /** For an unknown feature: names like it. */
  readonly near: readonly string[]

  constructor(code: FeatureError['code'], feature: string, message: string, near: readonly string[] = []) {
    super(message)
    this.code = code
    this.feature = feature
    this.near = near
  }
}

/** @throws NetlinkError ENODEV. */
export function* getFeatures(ref: DeviceRef): Operation<Features> {
  return byName(yield* readBits(ref))
}

/** Generic receive offload alone, without the tables that name all features. @throws NetlinkError ENODEV. */
export function* getGro(ref: DeviceRef): Operation<Feature> {
  const bits = yield* readBits(ref)
  return bits.one(bits.names.indexOf('rx-gro'))
}

/**
 * Switches a feature, or all changeable members of a group, and reads back what became of it.
 * @throws FeatureError for an unknown or fixed feature, and for what the kernel did not do.
 * @throws NetlinkError EPERM without CAP_NET_ADMIN.
 */
export function* setFeature(ref: DeviceRef, feature: string, on: boolean): Operation<FeatureChange> {
  if (typeof feature !== 'string') throw new TypeError(`a feature has a name, not ${quote(feature)}`)
  if (typeof on !== 'boolean') throw new TypeError(`a feature is set to true or false, not ${quote(on)}`)
  const before = yield* readBits(ref)
  const bits = changeableBits(before, feature, ref)
  const message = yield* ethtoolMessage('FEATURES_SET', ref, FEATURES, ETHTOOL_FLAG.OMIT_REPLY)
  encodeAttributes(message, FEATURES, { wanted: bitsetOf(before.names.length, bits, on) })
  yield* command(message)
  const after = yield* readBits(ref)
  const missed = bits.filter(bit => after.active(bit) !== on)
  // A group may have members that cannot follow. It is on when any member is, but off only when none is.
  const achieved = on ? missed.length < bits.length : missed.length === 0
  const names = missed.map(bit => before.names[bit]!)
  if (!achieved) {
    const why = missed.every(bit => after.wanted(bit) === on)
      ? 'it is wanted now, but another feature or the state of the device keeps it from taking effect'
      : 'the kernel refused it without an error'
    throw new FeatureError(
      'ERR_VETH_NL_FEATURE_REFUSED',
      feature,
      `feature '${feature}' of ${deviceLabel(ref)} is still ${on ? 'off' : 'on'} (${names.join(', ')}): ${why}`,
    )
  }
  const changed = before.names.filter((_, bit) => before.active(bit) !== after.active(bit))
  return { feature, on, changed, missed: names }
}

type BitsOfFeatures = Pick<FeaturesReply, 'hw' | 'active' | 'wanted' | 'noChange'>

/** The bits as the kernel answered them. */
export class FeatureBits {
  readonly names: readonly string[]
  readonly #reply: BitsOfFeatures

  constructor(names: readonly string[], reply: BitsOfFeatures) {
    this.names = names
    this.#reply = reply
  }

  get aliases(): ReadonlyMap<string, readonly string[]> {
    return aliasesOf(this.names)
  }

  one(bit: number): Feature {
    return { active: this.active(bit), wanted: this.wanted(bit), fixed: this.fixed(bit) }
  }

  active(bit: number): boolean {
    return hasBit(this.#reply.active.value, bit)
  }

  wanted(bit: number): boolean {
    return hasBit(this.#reply.wanted.value, bit)
  }

  fixed(bit: number): boolean {
    return !hasBit(this.#reply.hw.value, bit) || hasBit(this.#reply.noChange.value, bit)
  }

  settableAliases(): string[] {
    return [...this.aliases].filter(([, members]) => members.length > 0).map(([alias]) => alias)
  }

  /** One bit for a name of the kernel's, several for an alias, none for neither. */
  bitsOf(feature: string): number[] {
    const names = this.aliases.get(feature) ?? [feature]
    return names.map(name => this.names.indexOf(name)).filter(bit => bit >= 0)
  }
}

function* readBits(ref: DeviceRef): Operation<FeatureBits> {
  const names = yield* getStringSet(ETH_SS.FEATURES)
  const message = yield* ethtoolMessage('FEATURES_GET', ref, FEATURES, ETHTOOL_FLAG.COMPACT_BITSETS)
  return new FeatureBits(names, yield* get(message, ethtoolReply(FeaturesReply, FEATURES)))
}

/** As objects by name. */
export function byName(bits: FeatureBits): Features {
  const features: Record<string, Feature> = Object.create(null)
  bits.names.forEach((name, bit) => {
    if (name !== '') {
      features[name] = bits.one(bit)
    }
  })
  for (const [alias, names] of bits.aliases) {
    const members = names.map(name => features[name]!)
    const value: Feature =
      members.length === 1
        ? members[0]!
        : {
            active: members.some(({ active }) => active),
            wanted: members.some(({ wanted }) => wanted),
            fixed: members.every(({ fixed }) => fixed),
          }
    Object.defineProperty(features, alias, { value })
  }
  return features as Features
}

function changeableBits(bits: FeatureBits, feature: string, ref: DeviceRef): number[] {
  const meant = bits.bitsOf(feature)
  if (meant.length === 0) {
    const near = nearNames(feature, [...bits.settableAliases(), ...bits.names.filter(name => name !== '')])
    const hint = near.length === 0 ? '' : `; near it are ${near.map(name => `'${name}'`).join(', ')}`
    throw new FeatureError(
      'ERR_VETH_NL_FEATURE_UNKNOWN',
      feature,
      `this kernel knows no feature '${feature}'${hint}`,
      near,
    )
  }
  const changeable = meant.filter(bit => !bits.fixed(bit))
  if (changeable.length > 0) return changeable
  const state = meant.some(bit => bits.active(bit)) ? 'on' : 'off'
  throw new FeatureError(
    'ERR_VETH_NL_FEATURE_FIXED',
    feature,
    `feature '${feature}' of ${deviceLabel(ref)} is fixed: its driver keeps it ${state}`,
  )
}
