import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join, normalize } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** The rooms of src and those that each may lean on; '' are the files directly in src. */
const ROOMS: Record<string, readonly string[]> = {
  wire: [],
  rtnetlink: ['wire'],
  genetlink: ['wire'],
  ethtool: ['wire', 'genetlink'],
  netdev: ['wire', 'genetlink'],
  bpf: ['wire'],
  veth: ['wire', 'rtnetlink', 'ethtool', 'netdev', 'bpf'],
  kernel: ['wire'],
  watch: ['wire', 'rtnetlink', 'genetlink', 'ethtool', 'netdev', 'veth', 'kernel'],
  cli: [],
  package: ['kernel', 'veth'],
  '': ['wire', 'rtnetlink', 'genetlink', 'ethtool', 'netdev', 'bpf', 'veth', 'kernel', 'watch'],
}
const PUBLIC = ['index.ts', 'sync.ts', 'codec.ts']
/** What the entries of the package have besides. */
const SHARED = ['options.ts', 'sync-device.ts']
/** The rooms that may touch the outside. */
const OUTWARD = ['kernel', 'cli']

const FILES = readdirSync(join(ROOT, 'src'), { recursive: true, withFileTypes: true })
  .filter(entry => entry.isFile())
  .map(entry => join(entry.parentPath, entry.name).slice(join(ROOT, 'src/').length))

const IMPORT = /^\s*(?:import|export)\b[^'"`]*?\bfrom\s*['"]([^'"]+)['"]|\bimport\s*\(?\s*['"]([^'"]+)['"]/gm
const IMPORT_TYPE = /^\s*(?:import|export)\s+type\b/

/** What each file imports or re-exports, types too: files of src by their path in it, anything else as written. */
const IMPORTS = new Map(FILES.map(file => [file, importsOf(file, () => true)]))
/** The same without what is gone when it runs. */
const LOADS = new Map(FILES.map(file => [file, importsOf(file, statement => !IMPORT_TYPE.test(statement))]))

function importsOf(file: string, counts: (statement: string) => boolean): string[] {
  const source = readFileSync(join(ROOT, 'src', file), 'utf8')
  return [...source.matchAll(IMPORT)]
    .filter(([statement]) => counts(statement))
    .map(([, from, bare]) => (from ?? bare)!)
    .map(name => (name.startsWith('.') ? normalize(join(dirname(file), name)) : name))
}

const roomOf = (file: string) => (file.includes('/') ? file.slice(0, file.indexOf('/')) : '')
const isOurs = (name: string) => name.endsWith('.ts')

/** Every import that does not meet the rule, as 'file -> import'. */
function offences(inRoom: string, allowed: (name: string) => boolean): string[] {
  return [...IMPORTS]
    .filter(([file]) => roomOf(file) === inRoom)
    .flatMap(([file, names]) => names.filter(name => !allowed(name)).map(name => `${file} -> ${name}`))
}

describe('the rooms of src', () => {
  test('every file is TypeScript in a room of the table', () => {
    assert.ok(FILES.length > 0)
    assert.deepEqual(
      FILES.filter(file => !(roomOf(file) in ROOMS) || !isOurs(file)),
      [],
    )
  })

  test('every import of a file of ours names a file that exists', () => {
    const missing = [...IMPORTS].flatMap(([file, names]) =>
      names.filter(name => isOurs(name) && !FILES.includes(name)).map(name => `${file} -> ${name}`),
    )
    assert.deepEqual(missing, [])
  })

  for (const [room, mayLeanOn] of Object.entries(ROOMS)) {
    const title = room === '' ? 'the public surface' : room
    test(`${title} leans on ${mayLeanOn.join(', ') || (room === 'cli' ? 'the public surface' : 'nothing')}`, () => {
      const rooms = [room, ...mayLeanOn]
      const files = room === 'cli' ? PUBLIC : room === 'package' ? [...PUBLIC, ...SHARED] : []
      assert.deepEqual(
        offences(room, name => !isOurs(name) || rooms.includes(roomOf(name)) || files.includes(name)),
        [],
      )
    })

    test(`${title} imports ${OUTWARD.includes(room) ? "nothing foreign but Node's modules" : 'nothing foreign'}`, () => {
      const mayTouchOutside = OUTWARD.includes(room)
      assert.deepEqual(
        offences(room, name => isOurs(name) || (mayTouchOutside && isBuiltin(name))),
        [],
      )
    })
  }

  test('no file loads itself by way of others', () => {
    const finished = new Set<string>()
    const visit = (file: string, path: readonly string[]): void => {
      assert.ok(!path.includes(file), `a cycle: ${[...path, file].join(' -> ')}`)
      if (finished.has(file)) return
      for (const name of LOADS.get(file) ?? []) visit(name, [...path, file])
      finished.add(file)
    }
    for (const file of FILES) visit(file, [])
  })
})

describe('the package', () => {
  const json = (file: string) => JSON.parse(readFileSync(join(ROOT, file), 'utf8'))

  test('needs nothing at run time', () => {
    const manifest = json('package.json')
    for (const key of ['dependencies', 'optionalDependencies', 'peerDependencies', 'bundleDependencies']) {
      assert.equal(manifest[key], undefined, key)
    }
  })

  test('needs three packages to be worked on', () => {
    const { devDependencies } = json('package.json')
    assert.deepEqual(Object.keys(devDependencies).sort(), ['@types/node', 'tsx', 'typescript'])
  })

  test("starts its programs by node: tsx's command kills one that does not answer a signal within 30 ms", () => {
    const words = Object.values(json('package.json').scripts as Record<string, string>).join(' && ')
    assert.doesNotMatch(words, /(?:^|&& *|npx (?:--\S+ )*)tsx /)
    assert.match(words, /&& node --import tsx bench\/redirect\/main\.ts/)
  })

  test('is bundled by the esbuild that is locked', () => {
    const { version } = json('package-lock.json').packages['node_modules/esbuild']
    const { bundle } = json('package.json').scripts
    assert.ok(bundle.includes(`npx --yes esbuild@${version} `), `npx would fetch another than ${version}`)
  })

  test('is locked to versions and checksums, not to one registry', () => {
    const { packages } = json('package-lock.json') as { packages: Record<string, { integrity?: string }> }
    const locked = Object.entries(packages).filter(([path]) => path !== '')
    assert.ok(locked.length > 0)
    for (const [path, entry] of locked) {
      assert.ok(!('resolved' in entry), `${path} has an address`)
      assert.ok(entry.integrity, `${path} has no checksum`)
    }
  })
})
