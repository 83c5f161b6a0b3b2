import { readdirSync, readlinkSync } from 'node:fs'

/** Of maps, programs, links and perf events; sockets come and go. */
export function bpfDescriptors(): number {
  let count = 0
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      if (/bpf|perf/.test(readlinkSync(`/proc/self/fd/${fd}`))) count++
    } catch {
      // that of the listing itself
    }
  }
  return count
}
