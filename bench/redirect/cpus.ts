import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * The CPUs that this process may use and that are online, by number, as /proc and /sys tell or what stands in their places
 * below `root`. The last ones first: interrupts mostly go to the first.
 */
export function cpusAllowed(root = '/'): number[] {
  const status = readFileSync(join(root, 'proc/self/status'), 'utf8')
  const [, allowed = '0'] = /^Cpus_allowed_list:\s*(.*)$/m.exec(status) ?? []
  // The list has CPUs that are off, or not even there (guarantee_online_cpus(), kernel/cgroup/cpuset.c).
  const online = numbersOf(onlineList(root) ?? allowed)
  return numbersOf(allowed)
    .filter(cpu => online.includes(cpu))
    .reverse()
}

/** null: a kernel that knows no CPU hotplug, or no /sys. */
function onlineList(root: string): string | null {
  try {
    return readFileSync(join(root, 'sys/devices/system/cpu/online'), 'utf8')
  } catch {
    return null
  }
}

/** '0-3,8'. */
function numbersOf(list: string): number[] {
  return list
    .trim()
    .split(',')
    .flatMap(range => {
      const [first = 0, last = first] = range.split('-').map(Number)
      return Array.from({ length: last - first + 1 }, (_, i) => first + i)
    })
}
