import { type Netns, netnsName, netnsPid, ownDescriptor } from '../wire/netns.ts'

/** A command to be run in a namespace, by the tools that an administrator has. */
export function inNetns(netns: Netns, command: string, ownPid: number): string {
  if (netns.path === '') return command
  const name = netnsName(netns)
  if (name !== null) return `ip netns exec ${quoted(name)} ${command}`
  const pid = netnsPid(netns)
  if (pid !== null) return `nsenter -t ${pid} -n ${command}`
  const fd = ownDescriptor(netns)
  const option = fd === null ? quoted(`--net=${netns.path}`) : `--net=/proc/${ownPid}/fd/${fd}`
  return `nsenter ${option} ${command}`
}

/** A word as a shell takes it. Whoever may name a device may put anything into the name but blanks, '/' and ':'. */
export function quoted(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word
  if (/^[\x20-\x7e]*$/.test(word)) return `'${word.replaceAll("'", "'\\''")}'`
  const bytes = new TextEncoder().encode(word)
  return `$'${Array.from(bytes, byte => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}'`
}
