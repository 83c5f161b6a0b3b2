import { readdirSync, readlinkSync } from 'node:fs'

/** What this process has open: '21 socket:[4711]'. */
export function descriptors(): string[] {
  return readdirSync('/proc/self/fd').flatMap(fd => {
    try {
      return `${fd} ${readlinkSync(`/proc/self/fd/${fd}`)}`
    } catch {
      return [] // that of the listing itself
    }
  })
}

/** What has been opened since and is open still. A count would not do: the shim closes idle sockets whenever it likes. */
export function openedSince(before: readonly string[]): string[] {
  return descriptors().filter(open => !before.includes(open))
}

/** How many there are of maps, programs, types, links and perf events. */
export function bpfDescriptors(): number {
  return descriptors().filter(open => /b[pt]f|perf/.test(open)).length
}
