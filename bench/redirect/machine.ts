import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Machine, machine } from '../report.ts'
import { count, flag, orNull, record, text, texts } from './check.ts'

/** What decides how fast a machine is, as far as it tells. null: it does not. */
export interface MachineRecord extends Machine {
  /** uname -v: how the kernel was built and when. */
  readonly build: string | null
  /** Of cpufreq, of all CPUs: 'performance', or several when they differ. A virtual machine mostly has none. */
  readonly governor: string | null
  /** Several threads of one core are in use. */
  readonly smt: boolean | null
  /** CPUs that the scheduler leaves alone (isolcpus=): '2-3'; '' where there are none. */
  readonly isolated: string | null
  /** It is a virtual machine, by the CPU's flag 'hypervisor'; null where the processor has no such flag. */
  readonly virtual: boolean | null
  /** /sys/devices/system/cpu/vulnerabilities: 'spectre_v2' → 'Mitigation: Retpolines; …'. */
  readonly mitigations: Readonly<Record<string, string>> | null
}

export const MACHINE = record<MachineRecord>({
  kernel: text,
  node: text,
  cpu: text,
  cpus: count,
  build: orNull(text),
  governor: orNull(text),
  smt: orNull(flag),
  isolated: orNull(text),
  virtual: orNull(flag),
  mitigations: orNull(texts),
})

/** Reads /proc and /sys, or what stands in their places below `root`. */
export function describeMachine(root = '/'): MachineRecord {
  const cpu = join(root, 'sys/devices/system/cpu')
  const smt = line(join(cpu, 'smt/active'))
  const flags = /^flags\s*:(.*)$/m.exec(content(join(root, 'proc/cpuinfo')) ?? '')?.[1]
  return {
    ...machine(),
    build: line(join(root, 'proc/sys/kernel/version')),
    governor: governorOf(cpu),
    smt: smt === null ? null : smt === '1',
    isolated: line(join(cpu, 'isolated')),
    virtual: flags === undefined ? null : flags.split(/\s+/).includes('hypervisor'),
    mitigations: mitigationsOf(join(cpu, 'vulnerabilities')),
  }
}

function governorOf(cpu: string): string | null {
  const all = entries(cpu)
    .filter(name => /^cpu\d+$/.test(name))
    .map(name => line(join(cpu, name, 'cpufreq/scaling_governor')))
  return [...new Set(all.filter(each => each !== null))].sort().join(', ') || null
}

function mitigationsOf(folder: string): Record<string, string> | null {
  const all = entries(folder)
    .sort()
    .flatMap(name => {
      const state = line(join(folder, name))
      return state === null ? [] : [[name, state] as const]
    })
  return all.length === 0 ? null : Object.fromEntries(all)
}

/** A file of the kernel's that may not be there. */
export function line(file: string): string | null {
  return content(file)?.trim() ?? null
}

function content(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
