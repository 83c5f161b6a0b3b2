import { type Netns, netnsName, netnsPid } from '../wire/netns.ts'

/** A command line to be run in a namespace, by the tools that an administrator has. */
export function inNetns(netns: Netns, words: readonly string[], ownPid: number): string {
  return [...entering(netns, ownPid), ...words].map(quoted).join(' ')
}

function entering(netns: Netns, ownPid: number): string[] {
  if (netns.path === '') return []
  const name = netnsName(netns)
  if (name !== null) return ['ip', 'netns', 'exec', name]
  const pid = netnsPid(netns)
  if (pid !== null) return ['nsenter', '-t', String(pid), '-n']
  return ['nsenter', `--net=${netns.path.replace('/proc/self/', `/proc/${ownPid}/`)}`]
}

/** For a shell. Whoever may name a device may put anything into the name but blanks, '/' and ':'. */
function quoted(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word
  if (/^[\x20-\x7e]*$/.test(word)) return `'${word.replaceAll("'", "'\\''")}'`
  const bytes = new TextEncoder().encode(word)
  return `$'${Array.from(bytes, byte => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}'`
}
