import { quote } from './check-options.ts'
import type { Netns } from './netns.ts'

const encoder = new TextEncoder()

/** Which device a request is about: its name (or an alternative one) or its index, in a namespace. */
export interface DeviceRef {
  readonly netns: Netns
  readonly device: string | number
  /** For messages: the name that a device meant by its index had when it was found. */
  readonly name?: string
}

/** For families that know devices by their index only. */
export interface IndexRef extends DeviceRef {
  readonly device: number
}

/** What to call the device in messages. */
export function deviceLabel({ device, name }: DeviceRef): string {
  return printable(name ?? String(device))
}

/** For terminals: a name may hold control characters, and whoever gave it may not be trusted. */
export function printable(name: string): string {
  if (isPlain(name)) return name
  return name.replace(/\p{Cc}/gu, char => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

/** Of nothing but printable ASCII, as most names are. */
function isPlain(name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i)
    if (code < 0x20 || code > 0x7e) return false
  }
  return true
}

/** Whether the name fits where the kernel has room for IFNAMSIZ bytes; longer ones can only be alternative ones. */
export function isShortName(name: string): boolean {
  return name.length <= LONGEST_NAME && (3 * name.length <= LONGEST_NAME || byteLength(name) <= LONGEST_NAME)
}

/** IFNAMSIZ without its NUL. */
const LONGEST_NAME = 15
/** ALTIFNAMSIZ without its NUL. */
const LONGEST_ALTERNATIVE_NAME = 127

/**
 * @throws TypeError for what can be neither a name nor an index.
 * Source: dev_valid_name() in net/core/dev.c; alternative names may be longer.
 */
export function checkDevice(device: string | number): string | number {
  if (typeof device === 'number') {
    if (Number.isInteger(device) && device > 0 && device <= 0x7fffffff) return device
    throw new TypeError(`a device's index is an integer of at least 1, not ${device}`)
  }
  if (typeof device !== 'string') throw new TypeError('a device is given by its name or its index')
  return checkName(device, LONGEST_ALTERNATIVE_NAME)
}

/** @throws TypeError for a name that the kernel would not give to a device. */
export function checkNewName(name: string): string {
  if (String(name).includes('%'))
    throw new TypeError(`'%' in a new device's name is a pattern to the kernel: '${name}'`)
  return checkName(name, LONGEST_NAME)
}

function checkName(name: string, longest: number): string {
  if (typeof name !== 'string') throw new TypeError(`a device's name is a string, not ${quote(name)}`)
  const length = byteLength(name)
  if (length === 0 || length > longest) {
    throw new TypeError(`a device's name has 1 to ${longest} bytes; '${name}' has ${length}`)
  }
  if (name === '.' || name === '..' || /[\s/:\0]/.test(name)) {
    throw new TypeError(`a device's name must not be '.' or '..' or contain blanks, '/' or ':': '${name}'`)
  }
  return name
}

function byteLength(name: string): number {
  return encoder.encode(name).length
}
