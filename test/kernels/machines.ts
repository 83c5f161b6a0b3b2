import { bootOf } from './initramfs.ts'
import type { NicKind } from './nics.ts'
import type { Packages } from './packages.ts'
import { isNewEnough, OLDEST, OWN_QEMU, type Qemu, unpackedQemu } from './qemu.ts'
import { SERIES } from './series.ts'
import type { Machine } from './vm.ts'

/** The running kernel, among the machines. */
export const HOST = 'host'

/** What is booted by default: a kernel of each series, and two with NICs of a vendor's driver. */
export const MACHINES: readonly string[] = [...SERIES, '6.12/igb', '7/igb']

/** In a machine with such NICs only these tests run: all else is told by the one that has the same kernel and virtio's. */
const NIC_TESTS = /^test\/bench\/nics\./

/** Gets what a machine boots from; it is named by a kernel's series and, behind a slash, its NICs. @throws Error */
export function machineOf(name: string, cpus: number, packages: Packages, cache: string): Machine {
  const [series = '', kind = 'virtio', ...more] = name.split('/')
  if (more.length > 0 || !isNicKind(kind))
    throw new Error(`a machine is called like 6.12 or 6.12/igb, not ${name}`)
  const { release, debs } = packages.get(series)
  const called = kind === 'virtio' ? release : `${release} ${kind}`
  return { name: called, boot: bootOf(cache, release, debs), nics: kind, qemu: newQemu(packages), cpus }
}

function isNicKind(kind: string): kind is NicKind {
  return kind === 'virtio' || kind === 'igb'
}

function newQemu(packages: Packages): Qemu {
  const qemu = isNewEnough(OWN_QEMU) ? OWN_QEMU : unpackedQemu(packages.qemu())
  if (isNewEnough(qemu)) return qemu
  throw new Error(
    `no QEMU here is of version ${OLDEST.join('.')} or newer: neither this machine's nor ${qemu.command}`,
  )
}

/** The tests that are for this machine. */
export function testsFor(machine: Machine | undefined, files: readonly string[]): string[] {
  return files.filter(file => machine === undefined || machine.nics === 'virtio' || NIC_TESTS.test(file))
}
