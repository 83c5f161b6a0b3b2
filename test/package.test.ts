import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import {
  accessSync,
  constants,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, it } from 'node:test'

const checkout = new URL('..', import.meta.url).pathname

/** Packing builds dist/, so the checkout has to be ours. */
function readOnlyCheckout(): string | false {
  try {
    accessSync(checkout, constants.W_OK)
    return false
  } catch {
    return 'the checkout is not writable'
  }
}

describe('the packed tarball', { skip: readOnlyCheckout() }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'veth-nl-package-'))
  after(() => rmSync(folder, { recursive: true, force: true }))
  const npm = (...args: string[]) =>
    execFileSync('npm', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  /** With nothing on the path but Node itself: no compiler. */
  const node = (program: string) =>
    execFileSync(process.execPath, ['--input-type=module', '-e', program], {
      cwd: folder,
      encoding: 'utf8',
      env: { PATH: '' },
    })

  it('installs with install scripts switched off', () => {
    execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: checkout })
    const tarball = readdirSync(folder).find(name => name.endsWith('.tgz'))
    writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }')
    npm('install', '--ignore-scripts', '--offline', '--no-audit', '--no-fund', `./${tarball}`)
    assert.deepEqual(
      readdirSync(join(folder, 'node_modules')).filter(name => !name.startsWith('.')),
      ['veth-nl'],
    )
  })

  it('answers a question, in either form, without a compiler', () => {
    const sync = node(
      `import { device } from 'veth-nl/sync'; console.log(device('lo').getLink().mtu > 0, device(1).getLink().name)`,
    )
    assert.equal(sync, 'true lo\n')
    const promised = node(
      `import { device } from 'veth-nl'; console.log((await device('lo').getFeatures()).gro.active)`,
    )
    assert.match(promised, /^(true|false)\n$/)
  })

  it('opens the codec, and nothing that is not named', () => {
    assert.equal(
      node(`import { errnoName } from 'veth-nl/codec'; console.log(errnoName(-95))`),
      'EOPNOTSUPP\n',
    )
    assert.throws(() => node(`import 'veth-nl/dist/wire/errno.js'`), /ERR_PACKAGE_PATH_NOT_EXPORTED/)
  })

  it('starts cold with two files, and loads no module of Node for it that was not there', () => {
    const LOADED = `
process.getBuiltinModule('node:fs').writeSync(1, process.moduleLoadList.join('\\n'))`
    writeFileSync(join(folder, 'nothing.mjs'), LOADED)
    for (const [entry, question] of [
      ['veth-nl/sync', `device('lo').getLink()`],
      ['veth-nl', `await device('lo').getLink()`],
    ] as const) {
      writeFileSync(join(folder, 'question.mjs'), `import { device } from '${entry}'\n${question}${LOADED}`)
      const [without, loaded] = ['nothing.mjs', 'question.mjs'].map(file =>
        execFileSync(process.execPath, [file], { cwd: folder, encoding: 'utf8' }).split('\n'),
      )
      const ofNode = loaded!.filter(name => !without!.includes(name) && !name.includes('internal/'))
      assert.deepEqual(ofNode, [], entry)
      const resolved = node(`import { fileURLToPath } from 'node:url'
console.log(fileURLToPath(import.meta.resolve('${entry}')))`)
      const files = loadedFrom(realpathSync(resolved.trim()))
      assert.ok(files.size <= 2, `${entry} loads ${[...files].join(', ')}`)
    }
  })

  it('keeps the names of classes, and with source maps the lines of our source', () => {
    const names = node(`import * as promised from 'veth-nl'
import * as sync from 'veth-nl/sync'
const classes = [promised, sync].flatMap(Object.entries).filter(([name]) => /^[A-Z]/.test(name))
console.log(JSON.stringify(classes.map(([name, { name: own }]) => [name, own])))`)
    const classes: [string, string][] = JSON.parse(names)
    assert.ok(classes.length > 20)
    for (const [name, own] of classes) assert.equal(own, name)

    const program = `import { device } from 'veth-nl/sync'; device('')`
    const { stderr } = spawnSync(
      process.execPath,
      ['--enable-source-maps', '--input-type=module', '-e', program],
      {
        cwd: folder,
        encoding: 'utf8',
      },
    )
    assert.match(stderr, /src\/wire\/device-ref\.ts:\d+/)
  })

  it('has types that a strict program can use', () => {
    writeFileSync(
      join(folder, 'use.ts'),
      `import { device, type Verdict } from 'veth-nl'
import { device as now } from 'veth-nl/sync'
const verdict: Verdict = await device('veth0').explainRedirect()
const on: boolean = now('veth0').getFeatures().gro.active
// @ts-expect-error a feature is switched by a boolean
now('veth0').setFeature('gro', 'on')
console.log(verdict, on)
`,
    )
    const tsc = join(checkout, 'node_modules/typescript/bin/tsc')
    const options = [
      '--strict',
      '--noEmit',
      '--module',
      'nodenext',
      '--target',
      'es2022',
      '--types',
      '',
      'use.ts',
    ]
    const { status, stdout } = spawnSync(process.execPath, [tsc, ...options], {
      cwd: folder,
      encoding: 'utf8',
    })
    assert.equal(status, 0, stdout)
  })
})

/** A built file and all that it loads. */
function loadedFrom(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found
  found.add(file)
  for (const [, path] of readFileSync(file, 'utf8').matchAll(/^(?:import|export|\}).*? from "(\.[^"]*)"/gm)) {
    loadedFrom(join(dirname(file), path!), found)
  }
  return found
}
