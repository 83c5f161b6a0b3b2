import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { checkResults, type Results } from '../../bench/redirect/results.ts'
import { readResults, writeResults } from '../../bench/redirect/results-file.ts'
import { madeResults, sampleAt } from './made.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'veth-nl-results-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** With every part that a document can have. */
function whole(): Results {
  const made = madeResults({ quick: true })
  const [first, second, ...others] = made.cases
  return {
    ...made,
    settings: {
      ...made.settings,
      pktgen: { flows: 64, delay: null, queues: [0, 1], clones: null, burst: null },
    },
    cases: [
      { ...first!, traced: [{ tracepoint: 'xdp:xdp_redirect_err', code: 'EOPNOTSUPP', frames: 20 }] },
      { ...second!, notRun: 'the driver has no native mode', runs: [] },
      ...others,
    ],
    references: [{ by: 'C with libbpf', case: first!.case, runs: [sampleAt(1e6, 1)] }],
  }
}

type Path = readonly (string | number)[]

/** Where each object, list and value of a document is. */
function* placesIn(value: unknown, path: Path = []): Generator<Path> {
  if (path.length > 0) yield path
  if (typeof value !== 'object' || value === null) return
  for (const [key, each] of Object.entries(value))
    yield* placesIn(each, [...path, Array.isArray(value) ? Number(key) : key])
}

function nameOf(path: Path): string {
  return path
    .map(key => (typeof key === 'number' ? `[${key}]` : `.${key}`))
    .join('')
    .replace(/^\./, '')
}

function replaced(document: unknown, path: Path, value: unknown): unknown {
  const copy = JSON.parse(JSON.stringify(document))
  let at: Record<string | number, unknown> = copy
  for (const key of path.slice(0, -1)) at = at[key] as typeof at
  at[path.at(-1)!] = value
  return copy
}

describe('results.json', () => {
  it('is read as it was written', () => {
    const file = join(folder, 'results.json')
    writeResults(file, whole())
    assert.deepEqual(readResults(file), whole())
    assert.deepEqual(readdirSync(folder), ['results.json'])
  })

  it('is read as it was written where another machine sent', () => {
    const file = join(folder, 'results.json')
    const external = madeResults({ external: true })
    writeResults(file, external)
    assert.deepEqual(readResults(file), external)
  })

  it('says of each field that is wrong, which it is', () => {
    const document = whole()
    for (const path of placesIn(document)) {
      const name = nameOf(path)
      for (const bad of [-1.5, undefined, { a: [] }]) {
        // What is wrong with an object may be what is in it.
        assert.throws(
          () => checkResults(replaced(document, path, bad), ''),
          (error: Error) =>
            error instanceof TypeError &&
            (error.message.startsWith(`${name}:`) || error.message.startsWith(`${name}.`)),
          `${name} = ${JSON.stringify(bad)}`,
        )
      }
    }
  })

  it('leaves out what a later program added', () => {
    assert.deepEqual(checkResults({ ...whole(), later: 1 }, ''), whole())
  })

  for (const [what, change, says] of [
    [
      'a case twice',
      (r: Results) => ({ ...r, cases: [r.cases[0], r.cases[0]] }),
      /^cases\[1\]\.case: the same as cases\[0\]/,
    ],
    [
      'a case without runs and reason',
      (r: Results) => ({ ...r, cases: [{ ...r.cases[0], runs: [] }] }),
      /^cases\[0\]\.runs: expected runs, or the reason/,
    ],
    [
      'a case that was not run and has runs',
      (r: Results) => ({ ...r, cases: [{ ...r.cases[0], notRun: 'no' }] }),
      /^cases\[0\]\.runs: .* not both/,
    ],
    [
      'runs out of their order',
      (r: Results) => ({ ...r, cases: [{ ...r.cases[0], runs: [...r.cases[0]!.runs].reverse() }] }),
      /^cases\[0\]\.runs\[1\]\.turn: expected one after/,
    ],
    [
      'a later version',
      (r: Results) => ({ ...r, version: 3 }),
      /version: 3 is of a later veth-nl; this one reads 2$/,
    ],
    [
      'the first version',
      ({ settings, ...r }: Results) => ({ ...r, version: 1 }),
      /version: 1 does not tell its settings, .*; this one reads 2: measure again$/,
    ],
    [
      'a case without size where it was sent here',
      (r: Results) => ({ ...r, cases: [{ ...r.cases[0], case: { ...r.cases[0]!.case, size: 0 } }] }),
      /^cases\[0\]\.case\.size: expected 1 or more, found 0$/,
    ],
    [
      'cores of another machine',
      (r: Results) => {
        const [first] = madeResults({ external: true, quick: true }).cases
        return { ...r, generator: 'external', cases: [{ ...first, case: { ...first!.case, cores: 2 } }] }
      },
      /^cases\[0\]\.case\.cores: expected 0, as another machine sends, found 2$/,
    ],
    [
      'another schema',
      () => ({ schema: 'veth-nl/bench-netlink' }),
      /schema: expected "veth-nl\/bench-redirect"/,
    ],
    ['no object', () => [], /the document: expected an object, found \[\]/],
  ] as const) {
    it(`refuses ${what}`, () => {
      const file = join(folder, 'results.json')
      writeFileSync(file, JSON.stringify(change(madeResults({ quick: true }))))
      assert.throws(
        () => readResults(file),
        (error: Error) => {
          assert.ok(error instanceof TypeError && error.message.startsWith(`${file}: `))
          assert.match(error.message.slice(file.length + 2), says)
          return true
        },
      )
    })
  }

  it('says that a file is no JSON, or not there', () => {
    const file = join(folder, 'results.json')
    assert.throws(() => readResults(file), { code: 'ENOENT' })
    writeFileSync(file, '{"schema":')
    assert.throws(() => readResults(file), { name: 'TypeError', message: /results\.json: .*JSON/ })
  })

  it('stays as it was when it cannot be written, and nothing else is left', () => {
    const file = join(folder, 'results.json')
    mkdirSync(file)
    writeFileSync(join(file, 'precious'), 'yes')
    assert.throws(() => writeResults(file, whole()), { syscall: 'rename' })
    assert.deepEqual(readdirSync(folder), ['results.json'])
    assert.equal(readFileSync(join(file, 'precious'), 'utf8'), 'yes')
  })
})
