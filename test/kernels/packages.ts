import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { compareReleases, newestOf, releaseOf, SUITES } from './series.ts'
import { output } from './tools.ts'

/** Lists of packages that are older than this are fetched again; milliseconds. */
const LISTS_LAST = 20 * 3600e3

/** Of a QEMU that is newer than bookworm's own and runs on bookworm's libraries. */
const QEMU_SUITE = 'bookworm-backports'
const QEMU_PACKAGES = ['qemu-system-x86', 'qemu-system-common', 'qemu-system-data', 'seabios']

/**
 * Debian's kernel packages, kept in a folder: `deb/<release>/*.deb`. They come from the mirror that this machine uses
 * already, by apt with a state of its own: the machine's sources and lists stay as they are.
 */
export class Packages {
  readonly #folder: string
  readonly #say: (line: string) => void
  #listed: string[] | null = null

  constructor(folder: string, say: (line: string) => void) {
    this.#folder = folder
    this.#say = say
    mkdirSync(join(folder, 'deb'), { recursive: true })
  }

  /** The newest release of a series, its packages at hand: fetched where they are not, or where a newer one is listed. */
  get(series: string): { release: string; debs: string[] } {
    const kept = newestOf(readdirSync(join(this.#folder, 'deb')), series)
    const listed = newestOf(this.#list(), series)
    if (kept === undefined && listed === undefined)
      throw new Error(
        `no kernel of series ${series} is kept, and the mirror lists none in ${SUITES.join(', ')}`,
      )
    let release = kept ?? listed!
    if (listed !== undefined && (kept === undefined || compareReleases(listed, kept) > 0)) {
      try {
        this.#download(listed)
        release = listed
      } catch (error) {
        if (kept === undefined) throw error
        this.#say(`cannot fetch ${listed}, ${kept} will do: ${(error as Error).message}`)
      }
    }
    const folder = join(this.#folder, 'deb', release)
    return { release, debs: readdirSync(folder).map(name => join(folder, name)) }
  }

  /** A newer QEMU than bookworm's, unpacked: fetched where it is not. Its folder. */
  qemu(): string {
    const kept = join(this.#folder, 'qemu')
    if (!existsSync(kept)) {
      this.#list()
      this.#fetch(
        QEMU_PACKAGES.map(name => `${name}/${QEMU_SUITE}`),
        unfinished => {
          const tree = join(unfinished, 'tree')
          for (const name of readdirSync(unfinished))
            output('dpkg-deb', ['--extract', join(unfinished, name), tree])
          renameSync(tree, kept)
        },
      )
    }
    return kept
  }

  /** The releases in the lists; those of the last time, or none, where the mirror does not answer. */
  #list(): readonly string[] {
    this.#listed ??= this.#readLists()
    return this.#listed
  }

  #readLists(): string[] {
    const stamp = join(this.#folder, 'apt/updated')
    const age = Date.now() - (statSync(stamp, { throwIfNoEntry: false })?.mtimeMs ?? 0)
    const suites = [...SUITES, QEMU_SUITE].join(', ')
    if (age > LISTS_LAST || readFileSync(stamp, 'utf8') !== suites) {
      try {
        this.#update()
        writeFileSync(stamp, suites)
      } catch (error) {
        this.#say(`no new lists of packages: ${(error as Error).message}`)
      }
    }
    return this.#names('linux-image-').flatMap(name => releaseOf(name) ?? [])
  }

  #names(prefix: string): string[] {
    return output('apt-cache', [...this.#apt(), 'pkgnames', prefix]).split('\n')
  }

  #update(): void {
    const sites = output('apt-get', ['indextargets', '--format', '$(SITE)']).split('\n')
    const site = sites.find(site => site !== '' && !site.includes('security'))
    if (site === undefined) throw new Error('apt knows no mirror here: apt-get update')
    for (const name of ['lists/partial', 'cache/archives/partial'])
      mkdirSync(join(this.#folder, 'apt', name), { recursive: true })
    const keys = '/usr/share/keyrings/debian-archive-keyring.gpg'
    const suites = [...SUITES, QEMU_SUITE]
    const sources = suites.map(suite => `deb [arch=amd64 signed-by=${keys}] ${site} ${suite} main\n`)
    writeFileSync(join(this.#folder, 'apt/sources.list'), sources.join(''))
    this.#say(`lists of packages: ${suites.join(', ')}`)
    // Without this a mirror that does not answer is a mere warning.
    output('apt-get', [...this.#apt(), '-o', 'APT::Update::Error-Mode=any', 'update'])
  }

  /** From 7.2 on the kernel, its modules and their lists are packages of their own, which that of the image needs. */
  #download(release: string): void {
    const names = ['linux-image', 'linux-binary', 'linux-modules', 'linux-base'].map(
      part => `${part}-${release}`,
    )
    const parts = names.filter(name => this.#names(name).includes(name)).map(name => `${name}:amd64`)
    this.#fetch(parts, unfinished => renameSync(unfinished, join(this.#folder, 'deb', release)))
  }

  /** Fetches packages into a folder, which goes when they have been taken out of it. */
  #fetch(packages: readonly string[], take: (folder: string) => void): void {
    this.#say(`fetching ${packages.join(', ')}`)
    const unfinished = join(this.#folder, `deb-${process.pid}`)
    rmSync(unfinished, { recursive: true, force: true })
    mkdirSync(unfinished)
    try {
      output('apt-get', [...this.#apt(), 'download', ...packages], unfinished)
      take(unfinished)
    } finally {
      rmSync(unfinished, { recursive: true, force: true })
    }
  }

  #apt(): string[] {
    const apt = join(this.#folder, 'apt')
    return [
      '-qq',
      ...[`Dir::State::Lists=${apt}/lists`, `Dir::Cache=${apt}/cache`],
      ...[`Dir::Etc::SourceList=${apt}/sources.list`, 'Dir::Etc::SourceParts=-', 'APT::Architectures=amd64'],
      // Else root's apt fetches as a user who may not look into root's home.
      'APT::Sandbox::User=root',
    ].flatMap(word => (word.startsWith('-') ? word : ['-o', word]))
  }
}
