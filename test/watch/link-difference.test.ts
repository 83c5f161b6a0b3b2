import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Link, LinkInfo } from '../../src/rtnetlink/link.ts'
import { IFLA_BR, IFLA_BRPORT } from '../../src/rtnetlink/numbers.ts'
import { XdpState } from '../../src/rtnetlink/xdp-state.ts'
import { type ChangedField, changedLinkFields } from '../../src/watch/link-difference.ts'
import { Writer } from '../../src/wire/writer.ts'

/** Of each field another value than a new Link has; of each a new one, as messages have it. */
const OTHERS: Partial<Record<keyof Link, () => unknown>> = {
  altNames: () => ['other'],
  linkNetnsId: () => 1,
  linkinfo: () => Object.assign(new LinkInfo(), { kind: 'veth' }),
  xdp: () => Object.assign(new XdpState(), { programId: 1 }),
  unknown: () => [{ type: 999, bytes: Uint8Array.of(1) }],
}

function other(field: keyof Link): unknown {
  const value = new Link()[field]
  return OTHERS[field]?.() ?? (typeof value === 'number' ? value + 1 : `${value}x`)
}

describe('what is different in a link', () => {
  for (const field of Object.keys(new Link()) as (keyof Link)[]) {
    if (field === 'stats') continue
    test(field, () => {
      const [before, after] = [new Link(), Object.assign(new Link(), { [field]: other(field) })]
      assert.deepEqual(changedLinkFields(before, after), [field])
      assert.deepEqual(changedLinkFields(after, before), [field])
      const again = Object.assign(new Link(), { [field]: other(field) })
      assert.deepEqual(changedLinkFields(after, again), [])
    })
  }

  test('several fields', () => {
    const [before, after] = [new Link(), Object.assign(new Link(), { mtu: 1, name: 'a', altNames: ['b'] })]
    const fields: ChangedField[] = changedLinkFields(before, after)
    assert.deepEqual(fields.toSorted(), ['altNames', 'mtu', 'name'])
  })

  test('what runs on in a bridge and its ports is not, but all else is', () => {
    const bridge = (type: number, value: number) => withInfo({ kind: 'bridge', data: attribute(type, value) })
    const port = (type: number, value: number) =>
      withInfo({ kind: 'veth', slaveKind: 'bridge', slaveData: attribute(type, value) })
    for (const running of Object.values(IFLA_BR)) {
      assert.deepEqual(changedLinkFields(bridge(running, 1), bridge(running, 2)), [])
    }
    for (const running of Object.values(IFLA_BRPORT)) {
      assert.deepEqual(changedLinkFields(port(running, 1), port(running, 2)), [])
    }
    assert.deepEqual(changedLinkFields(bridge(1, 1), bridge(1, 2)), ['linkinfo'])
    assert.deepEqual(changedLinkFields(port(1, 1), port(1, 2)), ['linkinfo'])
  })
})

function withInfo(info: Partial<LinkInfo>): Link {
  return Object.assign(new Link(), { linkinfo: Object.assign(new LinkInfo(), info) })
}

function attribute(type: number, value: number): Uint8Array {
  const writer = new Writer()
  writer.attribute(type, () => writer.u64(BigInt(value)))
  return writer.bytes().slice()
}
