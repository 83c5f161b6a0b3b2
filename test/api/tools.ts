import { spawnSync } from 'node:child_process'

/** Why a test that compares with a tool cannot run here, or false. Where tests are automatic the tool must be there. */
export function needsTool(tool: string, ...probe: string[]): string | false {
  if (process.env.CI || spawnSync(tool, probe, { stdio: 'ignore' }).error === undefined) return false
  return `needs ${tool}`
}
