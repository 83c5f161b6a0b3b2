import { readFileSync } from 'node:fs'

/** USER_HZ, which is 100 on every architecture that Node runs on. */
const NS_PER_TICK = 1e9 / 100
/** Columns of /proc/stat's first line, behind its name. Source: proc_stat(5). */
const [SYSTEM, IRQ, SOFTIRQ] = [2, 5, 6] as const

/** Nanoseconds that all CPUs together have spent in the kernel since boot, in steps of ten milliseconds. */
export function kernelTime(): number {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n')
  const ticks = line.trim().split(/\s+/).slice(1).map(Number)
  return (ticks[SYSTEM]! + ticks[IRQ]! + ticks[SOFTIRQ]!) * NS_PER_TICK
}
