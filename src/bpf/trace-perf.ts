import { type Line, label } from './assembler.ts'
import { alu64, jump, jump32, load, mov, R1, R2, R6, R7, R8, type Register } from './instruction.ts'
import { KEY, PLACE, type TracePlace } from './trace-map.ts'
import { setKey, type TraceReader } from './trace-program.ts'
import type { TracepointFormat } from './tracepoint-format.ts'

/** Which formats perfReaders() wants. */
export const TRACED = (Object.keys(PLACE) as TracePlace[]).map(place => [place, `xdp/${place}`] as const)

/** map_id where there is no map. From 5.13 on; before that it is 0. */
const NO_MAP = 0x7fffffff

/**
 * What reads a tracepoint's record: TP_STRUCT__entry of include/trace/events/xdp.h, which tells of devices their
 * indexes only. The fields' names are alike in 5.10, 6.1, 6.12, 6.18 and 7.3.
 */
export function perfReader(place: TracePlace, format: TracepointFormat): TraceReader {
  const field = (dst: Register, name: string) => load('W', dst, R6, format.offset32(name))
  const key = (at: number, name: string) => [field(R1, name), setKey(at, R1)]
  const perf = { place, type: 'TRACEPOINT', names: [] } as const
  const one = [mov(R7, 1), mov(R8, 0)]
  const ofBatch = () => [field(R7, 'drops'), field(R8, 'sent')]
  const ofProcessed = () => [field(R7, 'drops'), field(R8, 'processed'), alu64('SUB', R8, R7)]
  switch (place) {
    case 'xdp_redirect_err':
      return {
        ...perf,
        amounts: one,
        key: [...key(KEY.from, 'ifindex'), ...key(KEY.errno, 'err'), ...target(field)],
      }
    case 'xdp_devmap_xmit':
      return {
        ...perf,
        amounts: ofBatch(),
        key: [...key(KEY.from, 'from_ifindex'), ...key(KEY.to, 'to_ifindex'), ...key(KEY.errno, 'err')],
      }
    case 'xdp_bulk_tx':
      return {
        ...perf,
        amounts: ofBatch(),
        key: [...key(KEY.from, 'ifindex'), ...key(KEY.to, 'ifindex'), ...key(KEY.errno, 'err')],
      }
    case 'xdp_cpumap_enqueue':
      return {
        ...perf,
        amounts: ofProcessed(),
        key: [...key(KEY.map, 'map_id'), ...key(KEY.detail, 'to_cpu')],
      }
    case 'xdp_cpumap_kthread':
      return { ...perf, amounts: ofProcessed(), key: [...key(KEY.map, 'map_id'), ...key(KEY.detail, 'cpu')] }
    case 'xdp_exception':
      return { ...perf, amounts: one, key: [...key(KEY.from, 'ifindex'), ...key(KEY.detail, 'act')] }
  }
}

/** The device, or where the map's target is none the index in the map. */
function target(field: (dst: Register, name: string) => Line): Line[] {
  return [
    field(R2, 'to_ifindex'),
    setKey(KEY.to, R2),
    field(R1, 'map_id'),
    jump32('JEQ', R1, NO_MAP, 'target'),
    setKey(KEY.map, R1),
    jump('JNE', R2, 0, 'target'),
    field(R1, 'map_index'),
    setKey(KEY.detail, R1),
    label('target'),
  ]
}
