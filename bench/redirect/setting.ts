import type { Results } from './results.ts'
import { pktgenText } from './run-settings.ts'
import { LEAST_REPEATS } from './summary.ts'
import { driftOfMachine, machineDrifts } from './whole-run.ts'

/** On what it was measured, in lines. */
export function settingOf(results: Results): string[] {
  const { machine, cases, seed, begun } = results
  const repeats = Math.max(0, ...cases.map(({ runs }) => runs.length))
  return [
    machineOf(results),
    `governor ${machine.governor ?? 'not told'}; mitigations: ${mitigationsOf(results)}`,
    pathOf(results),
    `${repeats} repeats in shuffled order (seed ${seed}), begun ${begun}`,
  ]
}

/** 'Linux 6.18.44, 2 × AMD EPYC, a virtual machine'. */
export function machineOf({ machine: { kernel, cpus, cpu, virtual } }: Results): string {
  return `Linux ${kernel}, ${cpus} × ${cpu}${virtual ? ', a virtual machine' : ''}`
}

/** 'pktgen (flows=64) into nic0 (veth), redirected into veth_xxx0, counted at eth0'. */
export function pathOf(results: Results): string {
  const { nic, target, peer } = results.path
  const given = pktgenText(results.settings.pktgen)
  const traffic = results.generator === 'external' ? 'traffic of another machine' : results.generator
  const driver = nic.driver ?? 'driver not told'
  return `${traffic}${given && ` (${given})`} into ${nic.name} (${driver}${queuesOf(results)}), redirected into ${target}, counted at ${peer}`
}

/** Those that cost something. */
function mitigationsOf({ machine: { mitigations } }: Results): string {
  if (mitigations === null) return 'not told'
  const active = Object.entries(mitigations).filter(([, state]) => state.startsWith('Mitigation'))
  return active.map(([name]) => name).join(', ') || 'none'
}

function queuesOf({ path: { nic } }: Results): string {
  if (nic.queues === null) return ''
  const { rx, tx, combined } = nic.queues
  return combined > 0 ? `, ${combined} queues` : `, ${rx} rx and ${tx} tx ${tx === 1 ? 'queue' : 'queues'}`
}

/** What makes all of it doubtful. */
export function warningsOf(results: Results): string[] {
  const warnings: string[] = []
  const { quick, cases } = results
  if (quick) warnings.push('--quick: short runs, which show that everything works, and hardly how fast')
  const few = cases.find(({ runs }) => runs.length > 0 && runs.length < LEAST_REPEATS)
  if (few !== undefined) {
    const repeats = `${few.runs.length} of the ${LEAST_REPEATS} repeats that are needed`
    warnings.push(`${repeats}: no rate allows a conclusion`)
  }
  if (machineDrifts(results)) {
    const { change } = driftOfMachine(results)
    const by = `${Math.abs(100 * change).toFixed(0)} %`
    warnings.push(`the machine became ${change > 0 ? 'faster' : 'slower'} by ${by} while it was measured`)
  }
  return warnings
}
