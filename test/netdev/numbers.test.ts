import { NETDEV_CMD, NETDEV_NTF } from '../../src/netdev/message.ts'
import { checkNumbers } from '../tools/check-numbers.ts'

checkNumbers('netdev.h', 'NETDEV_CMD_', NETDEV_CMD)
checkNumbers('netdev.h', 'NETDEV_CMD_', NETDEV_NTF)
