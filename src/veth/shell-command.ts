import { type Netns, netnsName, netnsPid } from '../wire/netns.ts'

/** A command line to be run in a namespace, by the tools that an administrator has. */
export function inNetns(netns: Netns, command: string, ownPid: number): string {
  if (netns.path === '') return command
  const name = netnsName(netns)
  if (name !== null) return `ip netns exec ${name} ${command}`
  const pid = netnsPid(netns)
  if (pid !== null) return `nsenter -t ${pid} -n ${command}`
  return `nsenter --net=${netns.path.replace('/proc/self/', `/proc/${ownPid}/`)} ${command}`
}
