import { BITSET } from '../../src/ethtool/bitset.ts'
import { ETHTOOL_FLAG, ETHTOOL_MSG, ETHTOOL_NTF, HEADER } from '../../src/ethtool/message.ts'
import { ETH_SS } from '../../src/ethtool/string-set.ts'
import { checkNumbers, numbersOf } from '../tools/check-numbers.ts'

checkNumbers('ethtool_netlink.h', 'ETHTOOL_MSG_', ETHTOOL_MSG)
checkNumbers('ethtool_netlink.h', 'ETHTOOL_MSG_', ETHTOOL_NTF)
checkNumbers('ethtool_netlink.h', 'ETHTOOL_FLAG_', ETHTOOL_FLAG)
checkNumbers('ethtool.h', 'ETH_SS_', ETH_SS)
checkNumbers(
  'ethtool_netlink.h',
  'ETHTOOL_A_BITSET_',
  numbersOf(BITSET, { noMask: 'NOMASK', size: 'SIZE', value: 'VALUE', mask: 'MASK' }),
)
checkNumbers(
  'ethtool_netlink.h',
  'ETHTOOL_A_HEADER_',
  numbersOf(HEADER, { index: 'DEV_INDEX', name: 'DEV_NAME', flags: 'FLAGS' }),
)
