import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadShim } from '../../src/kernel/shim.ts'
import { compiled, needsCompiler } from '../tools/compiler.ts'
import { needsRoot } from '../tools/netns.ts'

const NETLINK_GENERIC = 16
const ECONNREFUSED = 111

/** The ports of this process's generic netlink sockets. Source: netlink_native_seq_show(), net/netlink/af_netlink.c. */
function ownPorts(): string[] {
  const inodes = new Set(readdirSync('/proc/self/fd').map(inodeOfSocket))
  return readFileSync('/proc/self/net/netlink', 'utf8')
    .split('\n')
    .slice(1)
    .map(line => line.trim().split(/\s+/))
    .filter(([, protocol, , , , , , , , inode]) => protocol === `${NETLINK_GENERIC}` && inodes.has(inode))
    .map(([, , port]) => port!)
}

function inodeOfSocket(fd: string): string | undefined {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1]
  } catch {
    return undefined // the one by which the folder was read
  }
}

// Without privilege the sender would be refused as such (netlink_allowed()), whatever our socket is.
test('nobody but the kernel can send to our sockets', { skip: needsRoot || needsCompiler }, t => {
  const program = compiled(t, join(import.meta.dirname, 'send-to-port.c'))
  const send = (port: string) => Number(execFileSync(program, [port], { encoding: 'utf8' }))
  const shim = loadShim()
  const before = ownPorts()
  const handle = shim.openSocket(-1, NETLINK_GENERIC)
  const [port, ...more] = ownPorts().filter(port => !before.includes(port))
  assert.ok(port !== undefined && more.length === 0)
  assert.equal(send(port), ECONNREFUSED)
  assert.equal(shim.closeSocket(handle), 0)
})
