import { cpus, release } from 'node:os'
import type { Bound, Measured, Unjudged } from './bounds.ts'
import type { Missing } from './contestants.ts'

/** The one document of --json. What is added later leaves `version`; what changes its meaning raises it. */
export interface Report extends Measured {
  readonly schema: 'veth-nl/bench-netlink'
  readonly version: 4
  readonly machine: Machine
  /** Peers that are not on this machine. */
  readonly missing: readonly Missing[]
  readonly rounds: number
  readonly bounds: readonly (Bound | Unjudged)[]
}

export interface Machine {
  readonly kernel: string
  readonly node: string
  readonly cpu: string
  readonly cpus: number
}

export function machine(): Machine {
  const all = cpus()
  return {
    kernel: release(),
    node: process.version,
    cpu: all[0]?.model.trim() ?? 'unknown',
    cpus: all.length,
  }
}
