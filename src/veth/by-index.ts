import { fitsHeader } from '../ethtool/message.ts'
import { getLink } from '../rtnetlink/link-operations.ts'
import type { DeviceRef, IndexRef } from '../wire/device-ref.ts'
import type { Operation } from '../wire/operation.ts'

/** For families that know devices by index only. */
export function* byIndex<T>(ref: DeviceRef, use: (ref: IndexRef) => Operation<T>): Operation<T> {
  const { netns, device } = ref
  if (typeof device === 'number') return yield* use({ ...ref, device })
  return yield* use({ netns, device: (yield* getLink(ref)).index, name: device })
}

/** For ethtool, whose header has no room for long alternative names. */
export function* forEthtool<T>(ref: DeviceRef, use: (ref: DeviceRef) => Operation<T>): Operation<T> {
  if (fitsHeader(ref)) return yield* use(ref)
  return yield* byIndex(ref, use)
}
