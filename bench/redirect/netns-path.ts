import type { Netns } from '../../src/index.ts'

/** Where another process finds a namespace: what nsenter's --net= takes. */
export function netnsPath({ path }: Netns): string {
  return path === ''
    ? `/proc/${process.pid}/ns/net`
    : path.replace(/^\/proc\/self\//, `/proc/${process.pid}/`)
}
