import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LINK_CHANGE } from '../../src/rtnetlink/link-change.ts'
import { NETNSA } from '../../src/rtnetlink/netns-id.ts'
import {
  IFF,
  IFLA,
  IFLA_BR,
  IFLA_BRPORT,
  IFLA_INFO,
  RTEXT_FILTER,
  RTM,
  RTNLGRP,
} from '../../src/rtnetlink/numbers.ts'
import { IFLA_XDP, XDP_FLAGS } from '../../src/rtnetlink/xdp-state.ts'
import { checkNumbers } from '../tools/check-numbers.ts'
import { kernelHeader } from '../tools/headers.ts'

checkNumbers('rtnetlink.h', 'RTM_', RTM)
checkNumbers('if_link.h', 'IFLA_', IFLA)
checkNumbers('if_link.h', 'IFLA_INFO_', IFLA_INFO)
checkNumbers('if_link.h', 'IFLA_XDP_', IFLA_XDP)
checkNumbers('if_link.h', 'IFLA_BR_', IFLA_BR)
checkNumbers('if_link.h', 'IFLA_BRPORT_', IFLA_BRPORT)
checkNumbers('net_namespace.h', 'NETNSA_', NETNSA)
checkNumbers('if_link.h', 'XDP_FLAGS_', XDP_FLAGS)
checkNumbers('if.h', 'IFF_', IFF)
checkNumbers('rtnetlink.h', 'RTEXT_FILTER_', RTEXT_FILTER)
checkNumbers('rtnetlink.h', 'RTNLGRP_', RTNLGRP)

const veth = kernelHeader('veth.h')
test('VETH_INFO_PEER is where a new veth says its peer', {
  skip: typeof veth === 'string' ? veth : false,
}, () => {
  const data = LINK_CHANGE.byType[IFLA.LINKINFO]?.inner?.byType[IFLA_INFO.DATA]?.inner
  assert.ok(typeof veth !== 'string')
  assert.equal(data?.byType[veth.get('VETH_INFO_PEER')!]?.field, 'peer')
})
