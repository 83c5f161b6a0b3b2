import { readFileSync } from 'node:fs'

/** The CPUs that this process may use, by number. The last ones first: interrupts mostly go to the first. */
export function cpusAllowed(): number[] {
  const [, list = '0'] = /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
  const cpus = list.split(',').flatMap(range => {
    const [first = 0, last = first] = range.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
  })
  return cpus.reverse()
}
