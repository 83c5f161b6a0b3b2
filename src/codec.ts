/** The escape hatch: own requests to the kernel by the same means as the library's own. */
export { closeDescriptor } from './bpf/descriptor.ts'
export { loadProgram } from './bpf/program.ts'
export { xdpRedirectMap } from './bpf/programs.ts'
export { createRedirectDevmap, type RedirectDevmap } from './bpf/redirect-devmap.ts'
export { type LiveFrames, runLiveFrames } from './bpf/test-run.ts'
export { closeTrace } from './bpf/trace.ts'
export { type FamilyName, GENL_HDRLEN } from './genetlink/controller.ts'
export { genericMessage } from './genetlink/message.ts'
export { PromiseKernel } from './kernel/async-kernel.ts'
export { type AsyncKernel, type Kernel, type Limits, run, runSync } from './kernel/kernel.ts'
export {
  parseRecording,
  type Recording,
  record,
  recordAsync,
  replay,
  stringifyRecording,
} from './kernel/recording.ts'
export { SyncKernel } from './kernel/sync-kernel.ts'
export { decodeLink, LINK, Link } from './rtnetlink/link.ts'
export { IFLA, RTM } from './rtnetlink/numbers.ts'
export { openRedirectTrace, readRedirectTrace } from './veth/trace-redirects.ts'
export {
  bytes,
  flag,
  type Kind,
  linkAddress,
  listOf,
  nested,
  repeated,
  s32,
  string,
  u8,
  u16,
  u32,
  u64,
  uint,
} from './wire/attribute.ts'
export { errnoName, errnoNumber, errnoText } from './wire/errno.ts'
export { Message } from './wire/message.ts'
export { NETLINK_GENERIC, NETLINK_ROUTE, NLM_F } from './wire/netlink.ts'
export { netnsFrom, OWN_NETNS } from './wire/netns.ts'
export { type Answer, type Ask, ask, type Operation } from './wire/operation.ts'
export { command, dump, get } from './wire/request.ts'
export {
  type Attributes,
  decodeAttributes,
  encodeAttributes,
  NO_UNKNOWN,
  type Table,
  table,
} from './wire/table.ts'
