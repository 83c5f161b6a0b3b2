import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Contestant, Runtime } from './contestant.ts'
import { meanOf } from './program.ts'
import type { Scene } from './scene.ts'
import type { What, Work } from './works.ts'
import { buildC, buildGo, PYTHON, peerSource, workshop } from './workshop.ts'

/** Another library or tool that does the same works. */
export interface Peer {
  readonly name: string
  readonly can: readonly What[]
  /** What installs it: Debian's packages, or npm's, which then goes into a folder that goes away with this process. */
  readonly packages: { readonly apt: readonly string[] } | { readonly npm: string }
  /** What tells that it is there. */
  readonly isThere: () => boolean
  /** Makes its program. @returns the command, which takes WARMUP and REPEATS and what `words` says. */
  readonly build: () => readonly string[]
  /** Behind WARMUP and REPEATS. By default the work's name, and all that the scene is made of. */
  readonly words?: (work: Work) => readonly string[]
  /** It takes so much longer than others that one repeat of it stands for so many of theirs. */
  readonly slow?: number
  readonly env?: () => Record<string, string>
  /** A library's program: it knows the work 'keep' besides, and its start is compared with an empty one's. */
  readonly library?: Library
}

interface Library {
  readonly runtime: Runtime
  /** The work of its that asks for one link. */
  readonly asks: 'by-name' | 'by-index'
  /** Prints the nanoseconds that it takes to load. */
  readonly imports?: readonly string[]
}

const GOCODE = '/usr/share/gocode/src/github.com'
const NPM_NETLINK = 'netlink@0.3.0'
const npmFolder = () => join(workshop(), 'npm')
const npmPackage = () => join(npmFolder(), 'node_modules', 'netlink')

const PYTHON_IMPORT = `import time
begun = time.monotonic_ns()
from pyroute2 import IPRoute
print(time.monotonic_ns() - begun)`
const NODE_REQUIRE = `const begun = process.hrtime.bigint()
require(process.env.NETLINK_PACKAGE)
console.log(String(process.hrtime.bigint() - begun))`

/** In the order of a round and of the tables. */
export const PEERS: readonly Peer[] = [
  {
    name: 'libnl',
    can: ['links', 'names', 'visit', 'by-name', 'by-index', 'pair'],
    packages: { apt: ['libnl-route-3-dev'] },
    isThere: () => existsSync('/usr/include/libnl3/netlink/route/link.h'),
    build: () => [buildC('libnl', ['-I/usr/include/libnl3'], ['-lnl-route-3', '-lnl-3'])],
    library: { runtime: 'C', asks: 'by-name' },
  },
  {
    name: 'ip -j -d, whole process',
    can: ['links', 'by-name', 'pair'],
    packages: { apt: ['iproute2'] },
    isThere: () => runs('ip', '-V'),
    build: () => [wholeProcess()],
    words: ({ what, scene: { name, peer } }) => {
      if (what === 'links') return ['ip', '-j', '-d', 'link']
      if (what === 'by-name') return ['ip', '-j', '-d', 'link', 'show', 'dev', name]
      const make = ['ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', peer]
      return [...make, '--then', 'ip', 'link', 'delete', name]
    },
    slow: 50,
  },
  {
    name: 'ethtool, whole process',
    can: ['features', 'toggle'],
    packages: { apt: ['ethtool'] },
    isThere: () => runs('ethtool', '--version'),
    build: () => [wholeProcess()],
    words: ({ what, scene: { name } }) => {
      if (what === 'features') return ['ethtool', '--json', '-k', name]
      return ['ethtool', '-K', name, 'gro', 'off', '--then', 'ethtool', '-K', name, 'gro', 'on']
    },
    slow: 50,
  },
  {
    name: 'vishvananda/netlink, Go',
    can: ['links', 'names', 'by-name', 'by-index', 'peer', 'pair'],
    packages: { apt: ['golang-go', 'golang-github-vishvananda-netlink-dev'] },
    isThere: () => runs('go', 'version') && existsSync(`${GOCODE}/vishvananda/netlink/link.go`),
    build: () => [buildGo('vishvananda', 'resident')],
    library: { runtime: 'Go', asks: 'by-name' },
  },
  {
    name: 'jsimonetti/rtnetlink, Go',
    can: ['links', 'names', 'by-index'],
    packages: { apt: ['golang-go', 'golang-github-jsimonetti-rtnetlink-dev'] },
    isThere: () => runs('go', 'version') && existsSync(`${GOCODE}/jsimonetti/rtnetlink/link.go`),
    build: () => [buildGo('jsimonetti', 'resident')],
    library: { runtime: 'Go', asks: 'by-index' },
  },
  {
    name: 'pyroute2, Python',
    can: ['links', 'names', 'by-name', 'by-index', 'features', 'toggle', 'peer', 'pair'],
    packages: { apt: ['python3-pyroute2'] },
    isThere: () => runs(PYTHON, '-c', 'import pyroute2'),
    build: () => [PYTHON, peerSource('pyroute2.py')],
    slow: 10,
    library: { runtime: 'Python', asks: 'by-name', imports: [PYTHON, '-c', PYTHON_IMPORT] },
  },
  {
    name: 'netlink, npm',
    can: ['links', 'names', 'by-name', 'by-index'],
    packages: { npm: NPM_NETLINK },
    isThere: () => existsSync(join(npmPackage(), 'package.json')),
    build: () => [process.execPath, peerSource('netlink.cjs')],
    slow: 4,
    env: () => ({ NETLINK_PACKAGE: npmPackage() }),
    library: { runtime: 'Node', asks: 'by-name', imports: [process.execPath, '-e', NODE_REQUIRE] },
  },
]

/** The one command that installs it. */
export function installCommand({ packages }: Peer): readonly string[] {
  if ('apt' in packages) return ['apt-get', 'install', '-y', '--no-install-recommends', ...packages.apt]
  return [
    'npm',
    'install',
    '--prefix',
    npmFolder(),
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    packages.npm,
  ]
}

export function contestantFor(peer: Peer): Contestant {
  const { name, can, slow = 1, library, env } = peer
  let built: readonly string[] | undefined
  const command = () => (built ??= peer.build())
  return {
    name,
    can,
    slow: slow > 1,
    async turn(work) {
      const [warmUp, repeats] = [work.warmUp, work.repeats].map(often => `${Math.ceil(often / slow)}`)
      const words = (peer.words ?? everything)(work)
      return await meanOf([...command(), warmUp!, repeats!, ...words], work.scene, env?.())
    },
    ...(library && {
      async keep(scene) {
        const words = everything({ what: 'keep', scene })
        return { resident: await meanOf([...command(), '0', '1', ...words], scene, env?.()) }
      },
      start: () => ({
        runtime: library.runtime,
        asks: [...command(), '0', '1', library.asks, 'lo', '1', '1', '-'],
        ...(library.imports && { imports: library.imports }),
        ...(env && { env: env() }),
      }),
    }),
  }
}

function everything({ what, scene: { name, index, links, peer } }: { what: string; scene: Scene }): string[] {
  return [what, name, `${index}`, `${links}`, peer]
}

let runner: string | undefined
function wholeProcess(): string {
  runner ??= buildC('whole-process')
  return runner
}

function runs(command: string, ...words: string[]): boolean {
  return spawnSync(command, words, { stdio: 'ignore' }).status === 0
}
