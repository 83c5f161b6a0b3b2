import assert from 'node:assert/strict'
import { endianness } from 'node:os'
import { test } from 'node:test'
import {
  align4,
  LITTLE_ENDIAN,
  NETLINK_GENERIC,
  NETLINK_ROUTE,
  NLA_F_NESTED,
  NLM_F,
  NLMSG,
  NLMSGERR_ATTR,
} from '../../src/wire/netlink.ts'
import { checkNumbers } from '../tools/check-numbers.ts'

checkNumbers('netlink.h', 'NLM_F_', NLM_F)
checkNumbers('netlink.h', 'NLMSG_', NLMSG)
checkNumbers('netlink.h', 'NLMSGERR_ATTR_', NLMSGERR_ATTR)
checkNumbers('netlink.h', 'NETLINK_', { ROUTE: NETLINK_ROUTE, GENERIC: NETLINK_GENERIC })
checkNumbers('netlink.h', 'NLA_F_', { NESTED: NLA_F_NESTED })

test("the order of bytes is the machine's", () => {
  assert.equal(LITTLE_ENDIAN, endianness() === 'LE')
})

test('what is aligned is the next multiple of four', () => {
  assert.deepEqual([0, 1, 3, 4, 5, 8].map(align4), [0, 4, 4, 4, 8, 8])
})
