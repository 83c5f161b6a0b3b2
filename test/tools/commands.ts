import { spawnSync } from 'node:child_process'
import { needsRoot } from './netns.ts'

/** For the `skip` of a test that runs a command in a namespace: why it cannot, or false. Under CI it must. */
export function needsCommands(...commands: string[]): string | false {
  if (needsRoot || process.env.CI) return needsRoot
  const missing = [...commands, 'nsenter'].find(
    command => spawnSync(command, ['--version']).error !== undefined,
  )
  return missing === undefined ? false : `needs ${missing}`
}
