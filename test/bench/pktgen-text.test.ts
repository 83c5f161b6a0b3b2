import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseReport, parseThread, sentBy } from '../../bench/redirect/pktgen-text.ts'

/** Linux 7.3, /proc/net/pktgen/eth0@1 after a run. */
const DONE = `Params: count 1000  min_pkt_size: 512  max_pkt_size: 512
     frags: 0  delay: 0  clone_skb: 0  ifname: gen0@1
     flows: 0 flowlen: 0
     queue_map_min: 0  queue_map_max: 0
     dst_min: 198.19.0.1  dst_max: 
     src_min: 198.18.0.1  src_max: 198.18.0.1
     src_mac: ae:85:23:80:91:a9 dst_mac: 00:00:00:00:00:00
     udp_src_min: 49152  udp_src_max: 49153  udp_dst_min: 9  udp_dst_max: 9
     src_mac_count: 0  dst_mac_count: 0
     Flags: NO_TIMESTAMP  SHARED  
Current:
     pkts-sofar: 1000  errors: 0
     started: 20330213us  stopped: 20337689us idle: 13us
     seq_num: 1001  cur_dst_mac_offset: 0  cur_src_mac_offset: 0
     cur_saddr: 198.18.0.1  cur_daddr: 198.19.0.1
     cur_udp_dst: 9  cur_udp_src: 49152
     cur_queue_map: 0
     flows: 0
Result: OK: 7475(c7462+d13) usec, 1000 (512byte,0frags)
  133766pps 547Mb/sec (547905536bps) errors: 0
`

/** Linux 5.10, while it sends. */
const RUNNING = `Params: count 0  min_pkt_size: 512  max_pkt_size: 512
     frags: 0  delay: 0  clone_skb: 0  ifname: gen0@1
     flows: 0 flowlen: 0
     queue_map_min: 0  queue_map_max: 0
     dst_min: 198.19.0.1  dst_max: 
     src_min: 198.18.0.1  src_max: 198.18.0.1
     src_mac: de:42:c1:57:8b:7b dst_mac: 00:00:00:00:00:00
     udp_src_min: 49152  udp_src_max: 49153  udp_dst_min: 9  udp_dst_max: 9
     src_mac_count: 0  dst_mac_count: 0
     Flags: NO_TIMESTAMP  
Current:
     pkts-sofar: 125142  errors: 3
     started: 24496295us  stopped: 25054597us idle: 495us
     seq_num: 125144  cur_dst_mac_offset: 0  cur_src_mac_offset: 0
     cur_saddr: 198.18.0.1  cur_daddr: 198.19.0.1
     cur_udp_dst: 9  cur_udp_src: 49152
     cur_queue_map: 0
     flows: 0
Result: Starting
`

describe('what pktgen tells', () => {
  test('of a device that has sent', () => {
    const report = parseReport(DONE)
    const result = 'OK: 7475(c7462+d13) usec, 1000 (512byte,0frags)'
    assert.deepEqual(report, { sofar: 1000, errors: 0, started: 20330213, stopped: 20337689, result })
    assert.deepEqual(sentBy(report), { sent: 1000, nanoseconds: 7476000 })
  })

  test('of a device that sends; what was dropped on the way to the driver was sent', () => {
    const report = parseReport(RUNNING)
    assert.deepEqual([report.sofar, report.errors, report.result], [125142, 3, 'Starting'])
    assert.equal(sentBy(report).sent, 125145)
  })

  test('of a thread', () => {
    const text = 'Running: \nStopped: gen0@1 eth1@1 \nResult: OK: add_device=eth1@1\n'
    assert.deepEqual(parseThread(text), { running: [], stopped: ['gen0@1', 'eth1@1'] })
    assert.deepEqual(parseThread('Running: gen0@1 \nStopped: \nResult: NA\n'), {
      running: ['gen0@1'],
      stopped: [],
    })
  })

  test('is not guessed where it is something else', () => {
    assert.throws(() => parseReport(DONE.replace('pkts-sofar', 'pkts')), /pktgen tells of no pkts-sofar/)
    assert.throws(() => parseReport(DONE.replace('Result', 'Outcome')), /pktgen tells of no result/)
    assert.throws(() => parseThread(''), /lists no running devices/)
  })
})
