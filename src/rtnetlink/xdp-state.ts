import { type Kind, s32, u8, u32 } from '../wire/attribute.ts'
import { NO_UNKNOWN, table } from '../wire/table.ts'

/** Attributes inside IFLA_XDP. Source: include/uapi/linux/if_link.h. */
export const IFLA_XDP = {
  FD: 1,
  ATTACHED: 2,
  FLAGS: 3,
  PROG_ID: 4,
  DRV_PROG_ID: 5,
  SKB_PROG_ID: 6,
  HW_PROG_ID: 7,
  EXPECTED_FD: 8,
} as const

/** IFLA_XDP_FLAGS. Source: include/uapi/linux/if_link.h. */
export const XDP_FLAGS = {
  UPDATE_IF_NOEXIST: 1 << 0,
  SKB_MODE: 1 << 1,
  DRV_MODE: 1 << 2,
  HW_MODE: 1 << 3,
  REPLACE: 1 << 4,
} as const

/** IFLA_XDP_ATTACHED; 'multi' says that programs are attached in several modes at once. */
export type XdpMode = 'none' | 'native' | 'generic' | 'offload' | 'multi'
const MODES: readonly XdpMode[] = ['none', 'native', 'generic', 'offload', 'multi']

const mode: Kind<XdpMode> = {
  least: u8.least,
  read: (view, at) => MODES[view.getUint8(at)] ?? 'multi',
  write: (writer, value) => writer.u8(MODES.indexOf(value)),
}

/** What is attached to a link; program ids are 0 where there is none. */
export class XdpState {
  unknown = NO_UNKNOWN
  mode: XdpMode = 'none'
  /** The one program, or 0 when there are several. */
  programId = 0
  nativeProgramId = 0
  genericProgramId = 0
  offloadProgramId = 0
}

export const XDP = table<XdpState>([
  [IFLA_XDP.ATTACHED, 'mode', mode],
  [IFLA_XDP.PROG_ID, 'programId', u32],
  [IFLA_XDP.DRV_PROG_ID, 'nativeProgramId', u32],
  [IFLA_XDP.SKB_PROG_ID, 'genericProgramId', u32],
  [IFLA_XDP.HW_PROG_ID, 'offloadProgramId', u32],
])

/** What a change of a link's program is asked with. */
export class XdpChange {
  /** The program to attach, or -1 to detach. */
  fd = -1
  flags = 0
  /** With XDP_FLAGS.REPLACE: the program that must be attached now, -1 for none (Linux 5.7). */
  expectedFd: number | null = null
}

export const XDP_CHANGE = table<XdpChange>([
  [IFLA_XDP.FD, 'fd', s32],
  [IFLA_XDP.FLAGS, 'flags', u32],
  [IFLA_XDP.EXPECTED_FD, 'expectedFd', s32],
])
