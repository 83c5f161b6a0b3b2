import type { Kind } from '../wire/attribute.ts'
import type { DeviceRef } from '../wire/device-ref.ts'
import type { Operation } from '../wire/operation.ts'
import { ObjectQuestion, type Question } from '../wire/question.ts'
import { excerpt } from '../wire/table.ts'
import { BITSET, bitOf } from './bitset.ts'
import { A_FEATURES, type Feature } from './features.ts'
import { ETHTOOL_FLAG, ethtoolMessage, ethtoolReply } from './message.ts'
import { ETH_SS, getStringSet } from './string-set.ts'

/** Generic receive offload, as it is asked for and in effect. */
export type GroState = Pick<Feature, 'wanted' | 'active'>

class GroReply implements GroState {
  wanted = false
  active = false
}

/** Two bits of a device's features, none of the bit sets kept. */
export function* groQuestion(ref: DeviceRef): Operation<Question<GroState>> {
  const bit = (yield* getStringSet(ETH_SS.FEATURES)).indexOf('rx-gro')
  const inSet: Kind<boolean> = {
    least: 0,
    inner: BITSET,
    read: (view, at, length) => bitOf(view, at, at + length, bit),
    write: () => {}, // never set this way
  }
  const reply = excerpt<GroReply>([
    [A_FEATURES.WANTED, 'wanted', inSet],
    [A_FEATURES.ACTIVE, 'active', inSet],
  ])
  const message = yield* ethtoolMessage('FEATURES_GET', ref, reply, ETHTOOL_FLAG.COMPACT_BITSETS)
  return new ObjectQuestion(message, ethtoolReply(GroReply, reply))
}
