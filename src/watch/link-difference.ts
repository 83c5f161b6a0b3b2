import type { Link, LinkInfo } from '../rtnetlink/link.ts'
import type { LinkField } from '../rtnetlink/link-fields.ts'
import { IFLA_BR, IFLA_BRPORT } from '../rtnetlink/numbers.ts'
import type { XdpState } from '../rtnetlink/xdp-state.ts'
import { type UnknownAttribute, wellFormed } from '../wire/decoder.ts'
import { align4, LITTLE_ENDIAN, NLA_HDRLEN, NLA_TYPE_MASK } from '../wire/netlink.ts'
import { isSame } from './fields.ts'

/** A field in which two states of a device can differ. */
export type ChangedField = Exclude<LinkField, 'stats'> | 'unknown'

/**
 * The fields in which two states without counters differ; none where they are equal. There is one of these for each event:
 * field by field it takes 0.1 µs, in a loop over their names 2.
 */
export function changedLinkFields(before: Link, after: Link): ChangedField[] {
  const fields: ChangedField[] = []
  if (before.index !== after.index) fields.push('index')
  if (before.type !== after.type) fields.push('type')
  if (before.flags !== after.flags) fields.push('flags')
  if (before.name !== after.name) fields.push('name')
  if (before.alias !== after.alias) fields.push('alias')
  if (before.address !== after.address) fields.push('address')
  if (before.broadcast !== after.broadcast) fields.push('broadcast')
  if (before.permanentAddress !== after.permanentAddress) fields.push('permanentAddress')
  if (before.mtu !== after.mtu) fields.push('mtu')
  if (before.minMtu !== after.minMtu) fields.push('minMtu')
  if (before.maxMtu !== after.maxMtu) fields.push('maxMtu')
  if (before.link !== after.link) fields.push('link')
  if (before.linkNetnsId !== after.linkNetnsId) fields.push('linkNetnsId')
  if (before.master !== after.master) fields.push('master')
  if (before.operState !== after.operState) fields.push('operState')
  if (before.linkMode !== after.linkMode) fields.push('linkMode')
  if (before.carrier !== after.carrier) fields.push('carrier')
  if (before.carrierChanges !== after.carrierChanges) fields.push('carrierChanges')
  if (before.carrierUpCount !== after.carrierUpCount) fields.push('carrierUpCount')
  if (before.carrierDownCount !== after.carrierDownCount) fields.push('carrierDownCount')
  if (before.protoDown !== after.protoDown) fields.push('protoDown')
  if (before.group !== after.group) fields.push('group')
  if (before.promiscuity !== after.promiscuity) fields.push('promiscuity')
  if (before.allMulticast !== after.allMulticast) fields.push('allMulticast')
  if (before.txQueueLength !== after.txQueueLength) fields.push('txQueueLength')
  if (before.qdisc !== after.qdisc) fields.push('qdisc')
  if (before.numTxQueues !== after.numTxQueues) fields.push('numTxQueues')
  if (before.numRxQueues !== after.numRxQueues) fields.push('numRxQueues')
  if (before.gsoMaxSegments !== after.gsoMaxSegments) fields.push('gsoMaxSegments')
  if (before.gsoMaxSize !== after.gsoMaxSize) fields.push('gsoMaxSize')
  if (before.gsoIpv4MaxSize !== after.gsoIpv4MaxSize) fields.push('gsoIpv4MaxSize')
  if (before.groMaxSize !== after.groMaxSize) fields.push('groMaxSize')
  if (before.groIpv4MaxSize !== after.groIpv4MaxSize) fields.push('groIpv4MaxSize')
  if (before.tsoMaxSegments !== after.tsoMaxSegments) fields.push('tsoMaxSegments')
  if (before.tsoMaxSize !== after.tsoMaxSize) fields.push('tsoMaxSize')
  if (before.maxPacingOffloadHorizon !== after.maxPacingOffloadHorizon) fields.push('maxPacingOffloadHorizon')
  if (before.headroom !== after.headroom) fields.push('headroom')
  if (before.tailroom !== after.tailroom) fields.push('tailroom')
  if (before.netnsImmutable !== after.netnsImmutable) fields.push('netnsImmutable')
  if (before.parentName !== after.parentName) fields.push('parentName')
  if (before.parentBus !== after.parentBus) fields.push('parentBus')
  if (before.physicalPortName !== after.physicalPortName) fields.push('physicalPortName')
  if (before.physicalPortId !== after.physicalPortId) fields.push('physicalPortId')
  if (before.physicalSwitchId !== after.physicalSwitchId) fields.push('physicalSwitchId')
  if (!isSame(before.altNames, after.altNames)) fields.push('altNames')
  if (!hasSameXdp(before.xdp, after.xdp)) fields.push('xdp')
  if (!hasSameInfo(before.linkinfo, after.linkinfo)) fields.push('linkinfo')
  if (!isSame(before.unknown, after.unknown)) fields.push('unknown')
  return fields
}

function hasSameXdp(before: XdpState | null, after: XdpState | null): boolean {
  if (before === null || after === null) return before === after
  return (
    before.mode === after.mode &&
    before.programId === after.programId &&
    before.nativeProgramId === after.nativeProgramId &&
    before.genericProgramId === after.genericProgramId &&
    before.offloadProgramId === after.offloadProgramId &&
    isSame(before.unknown, after.unknown)
  )
}

/**
 * What goes on by itself in the data of a kind of link, timers and numbers of what was learned from frames: like counters it
 * is no difference, and no message about the link tells of it (fdb_create(), br_multicast_port_ngroups_inc()).
 */
const RUNNING: Readonly<Record<string, readonly number[]>> = { bridge: Object.values(IFLA_BR) }
const RUNNING_IN_PORT: Readonly<Record<string, readonly number[]>> = { bridge: Object.values(IFLA_BRPORT) }

function hasSameInfo(before: LinkInfo | null, after: LinkInfo | null): boolean {
  if (before === null || after === null) return before === after
  return (
    before.kind === after.kind &&
    before.slaveKind === after.slaveKind &&
    isSameBut(RUNNING[after.kind], before.data, after.data) &&
    isSameBut(RUNNING_IN_PORT[after.slaveKind], before.slaveData, after.slaveData) &&
    isSame(before.unknown, after.unknown)
  )
}

function isSameBut(
  running: readonly number[] = [],
  before: Uint8Array | null,
  after: Uint8Array | null,
): boolean {
  if (before === null || after === null) return before === after
  return isSame(attributesBut(running, before), attributesBut(running, after))
}

/** The attributes in some data but those of these numbers. */
function attributesBut(running: readonly number[], data: Uint8Array): UnknownAttribute[] {
  const view = new DataView(data.buffer, data.byteOffset, data.length)
  if (!wellFormed(view, 0, data.length)) return [{ type: 0, bytes: data }]
  const found: UnknownAttribute[] = []
  for (let at = 0; at + NLA_HDRLEN <= data.length; ) {
    const size = view.getUint16(at, LITTLE_ENDIAN)
    const type = view.getUint16(at + 2, LITTLE_ENDIAN) & NLA_TYPE_MASK
    if (!running.includes(type)) found.push({ type, bytes: data.subarray(at + NLA_HDRLEN, at + size) })
    at += align4(size)
  }
  return found
}
