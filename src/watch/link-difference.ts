import type { Link, LinkInfo } from '../rtnetlink/link.ts'
import type { LinkField } from '../rtnetlink/link-fields.ts'
import { IFLA_BR, IFLA_BRPORT } from '../rtnetlink/numbers.ts'
import { align4, LITTLE_ENDIAN, NLA_HDRLEN, NLA_TYPE_MASK } from '../wire/netlink.ts'
import { type UnknownAttribute, wellFormed } from '../wire/table.ts'
import { changedFields, isSame } from './fields.ts'

/** A field in which two states of a device can differ. */
export type ChangedField = Exclude<LinkField, 'stats'> | 'unknown'

/** Timers in the data of a kind of link, which go on by themselves: like counters they are no difference. */
const TIMERS: Readonly<Record<string, readonly number[]>> = { bridge: Object.values(IFLA_BR) }
const TIMERS_IN_PORT: Readonly<Record<string, readonly number[]>> = { bridge: Object.values(IFLA_BRPORT) }

/** The fields in which two states without counters differ; none where they are equal. */
export function changedLinkFields(before: Link, after: Link): ChangedField[] {
  const fields = changedFields(before, after) as ChangedField[]
  return fields.filter(field => field !== 'linkinfo' || !hasSameInfo(before, after))
}

function hasSameInfo({ linkinfo: before }: Link, { linkinfo: after }: Link): boolean {
  return before !== null && after !== null && isSame(withoutTimers(before), withoutTimers(after))
}

function withoutTimers(info: LinkInfo) {
  const data = others(info.data, TIMERS[info.kind])
  return { ...info, data, slaveData: others(info.slaveData, TIMERS_IN_PORT[info.slaveKind]) }
}

/** The attributes in some data but those of these numbers. */
function others(
  data: Uint8Array | null,
  timers: readonly number[] = [],
): UnknownAttribute[] | Uint8Array | null {
  if (data === null || timers.length === 0) return data
  const view = new DataView(data.buffer, data.byteOffset, data.length)
  if (!wellFormed(view, 0, data.length)) return data
  const found: UnknownAttribute[] = []
  for (let at = 0; at + NLA_HDRLEN <= data.length; ) {
    const size = view.getUint16(at, LITTLE_ENDIAN)
    const type = view.getUint16(at + 2, LITTLE_ENDIAN) & NLA_TYPE_MASK
    if (!timers.includes(type)) found.push({ type, bytes: data.subarray(at + NLA_HDRLEN, at + size) })
    at += align4(size)
  }
  return found
}
