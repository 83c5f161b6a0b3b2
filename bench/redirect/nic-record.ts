import { readlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Device } from '../../src/index.ts'
import { type Check, count, listOf, orNull, record, text } from './check.ts'
import { line } from './machine.ts'

/** The device that the frames come in by. null: the kernel does not tell. */
export interface NicRecord {
  readonly name: string
  readonly driver: string | null
  /** Of the driver, where it has one of its own. */
  readonly driverVersion: string | null
  /** 'pci 0000:00:05.0', 'virtio virtio2'; null for a device without hardware. */
  readonly bus: string | null
  /** Bytes, without the link-layer header. */
  readonly mtu: number
  /** Queues in use. */
  readonly queues: Queues | null
  /** Features in effect, by the kernel's names: 'rx-gro'. */
  readonly offloads: readonly string[] | null
}

export interface Queues {
  readonly rx: number
  readonly tx: number
  readonly combined: number
}

export const NIC: Check<NicRecord> = record<NicRecord>({
  name: text,
  driver: orNull(text),
  driverVersion: orNull(text),
  bus: orNull(text),
  mtu: count,
  queues: orNull(record<Queues>({ rx: count, tx: count, combined: count })),
  offloads: orNull(listOf(text)),
})

/** Its driver is looked for in /sys, or what stands in its place below `root`. */
export async function describeNic(nic: Device, root = '/'): Promise<NicRecord> {
  const { name, kind, mtu, parentBus, parentName } = await nic.getLink()
  const known = driverOf(nic, name, parentBus, parentName, root) ?? (kind || null)
  return {
    name,
    driver: known,
    driverVersion: known === null ? null : line(join(root, 'sys/module', known, 'version')),
    bus: parentName === '' ? null : `${parentBus} ${parentName}`,
    mtu,
    queues: await queuesOf(nic),
    offloads: await offloadsOf(nic),
  }
}

/** /sys/class/net shows the namespace in which it was mounted; a kernel before 5.14 does not tell the parent. */
function driverOf(nic: Device, name: string, bus: string, parent: string, root: string): string | null {
  const isOwn = nic.netns.path === ''
  if (parent === '' && !isOwn) return null
  const device = parent === '' ? join('class/net', name, 'device') : join('bus', bus, 'devices', parent)
  try {
    return basename(readlinkSync(join(root, 'sys', device, 'driver')))
  } catch {
    return null
  }
}

async function queuesOf(nic: Device): Promise<Queues | null> {
  try {
    const { rx, tx, combined } = await nic.getChannels()
    return { rx, tx, combined }
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'EOPNOTSUPP') throw error
    return null
  }
}

async function offloadsOf(nic: Device): Promise<string[]> {
  return Object.entries(await nic.getFeatures())
    .filter(([, { active }]) => active)
    .map(([name]) => name)
}
