import { spawnSync } from 'node:child_process'
import type { Contestant } from './contestant.ts'
import { oursPromises, oursSync } from './ours.ts'
import { contestantFor, installCommand, PEERS, type Peer } from './peers.ts'
import { rawC } from './raw-c.ts'

/** A peer that is not on this machine, and the command that changes that. */
export interface Missing {
  readonly name: string
  readonly install: string
}

/**
 * Everyone who takes part, in the order of a round and of the tables: first the limit that ratios are to. Peers that are
 * missing are installed if `install` says so, else named; where runs are automatic (CI) they must be there.
 */
export function gather(install: boolean): { all: Contestant[]; missing: Missing[] } {
  const here: Peer[] = []
  const missing: Missing[] = []
  for (const peer of PEERS) {
    // npm's goes into a folder that is made anew each time: it is there only when it may be fetched.
    const mayInstall = install || (process.env.CI !== undefined && 'npm' in peer.packages)
    if (!peer.isThere() && mayInstall) put(installCommand(peer))
    if (peer.isThere()) here.push(peer)
    else missing.push({ name: peer.name, install: advice(peer) })
  }
  if (process.env.CI && missing.length > 0) {
    throw new Error(`missing: ${missing.map(one => `${one.name} (${one.install})`).join(', ')}`)
  }
  return { all: [rawC(), oursSync(), oursPromises(), ...here.map(contestantFor)], missing }
}

function advice(peer: Peer): string {
  return 'npm' in peer.packages ? 'npm run bench:netlink -- --install' : installCommand(peer).join(' ')
}

function put([command, ...words]: readonly string[]): void {
  process.stderr.write(`${command} ${words.join(' ')}\n`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  spawnSync(command!, words, { stdio: ['ignore', 'ignore', 'inherit'], env })
}
