import { CTRL_ATTR, CTRL_ATTR_MCAST_GRP } from '../../src/genetlink/controller.ts'
import { checkNumbers } from '../tools/check-numbers.ts'

checkNumbers('genetlink.h', 'CTRL_ATTR_', CTRL_ATTR)
checkNumbers('genetlink.h', 'CTRL_ATTR_MCAST_GRP_', CTRL_ATTR_MCAST_GRP)
