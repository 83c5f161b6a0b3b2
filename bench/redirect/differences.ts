import type { Results } from './results.ts'
import { pktgenText } from './run-settings.ts'

/** What else differs between two runs, in the order of how much it matters: 'kernel: 6.12.1 before, 6.18.44 now'. */
export function differencesOf(before: Results, now: Results): string[] {
  const facts = ({ machine, path: { nic, target }, settings }: Results): Record<string, unknown> => ({
    CPU: machine.cpu,
    CPUs: machine.cpus,
    kernel: machine.kernel,
    'build of the kernel': machine.build,
    governor: machine.governor,
    SMT: machine.smt,
    'isolated CPUs': machine.isolated,
    'virtual machine': machine.virtual,
    mitigations: mitigationsThatDiffer(before, now, machine.mitigations),
    NIC: nic.name,
    driver: nic.driver,
    'version of the driver': nic.driverVersion,
    queues: nic.queues && `rx ${nic.queues.rx}, tx ${nic.queues.tx}, combined ${nic.queues.combined}`,
    MTU: nic.mtu,
    offloads: offloadsThatDiffer(before, now, nic.offloads),
    target,
    'sent out of': settings.from,
    pktgen: pktgenText(settings.pktgen) || 'nothing given',
    'CPUs that may send': settings.cpus.join(' '),
    'milliseconds of a run': settings.milliseconds,
    repeats: settings.repeats,
    Node: machine.node,
  })
  const [old, fresh] = [facts(before), facts(now)]
  return Object.keys(fresh)
    .filter(name => old[name] !== fresh[name])
    .map(name => `${name}: ${told(old[name])} before, ${told(fresh[name])} now`)
}

function told(value: unknown): string {
  return value === null ? 'not told' : value === '' ? 'none of them' : `${value}`
}

/** Only those that differ: there are some twenty, of which most are alike. */
function mitigationsThatDiffer(
  before: Results,
  now: Results,
  of: Results['machine']['mitigations'],
): string | null {
  const [old, fresh] = [before.machine.mitigations, now.machine.mitigations]
  if (old === null || fresh === null || of === null) return of && 'told'
  return Object.keys({ ...old, ...fresh })
    .filter(name => old[name] !== fresh[name])
    .map(name => `${name} ${of[name] ?? 'not known'}`)
    .join('; ')
}

function offloadsThatDiffer(
  before: Results,
  now: Results,
  of: Results['path']['nic']['offloads'],
): string | null {
  const [old, fresh] = [before.path.nic.offloads, now.path.nic.offloads]
  if (old === null || fresh === null || of === null) return of && 'told'
  return of.filter(name => !(old.includes(name) && fresh.includes(name))).join(' ')
}
