import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { accessSync, constants, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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
