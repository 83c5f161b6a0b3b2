import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createVethPair, type Link, listLinks, watchLinks } from '../../src/index.ts'
import { testInPrivate } from '../api/again.ts'
import { waitUntil } from './follow.ts'

const DOC = new URL('../../docs/watching.md', import.meta.url)
/** The lines of a consumer that keeps a table, as the page has them. */
const MOST_LINES = 15

testInPrivate('the table in docs/watching.md is what there is', async t => {
  const lines = consumerInDocs()
  assert.ok(lines.length <= MOST_LINES, `${lines.length} lines`)
  const code = lines.filter(line => !line.startsWith('import')).join('\n')
  const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor
  const run = new AsyncFunction('watchLinks', 'signal', 'show', code.replace('for await', 'show(table)\n$&'))

  let table = new Map<string, Link>()
  const stopped = new AbortController()
  const running: Promise<void> = run(watchLinks, stopped.signal, (shown: typeof table) => {
    table = shown
  })
  t.after(async () => {
    stopped.abort()
    await assert.rejects(running, { name: 'AbortError' })
  })
  const isRight = async () => {
    const links = await listLinks()
    for (const link of links) link.stats = null
    const told = [...table.values()].toSorted((a, b) => a.index - b.index)
    return JSON.stringify(told) === JSON.stringify(links)
  }
  await waitUntil('lo', isRight)
  const pairs = []
  for (let i = 0; i < 10; i++) pairs.push(await createVethPair({ name: `a${i}`, up: true, peer: `b${i}` }))
  await waitUntil('pairs', isRight)
  for (const [a] of pairs.slice(3)) await a.delete()
  await pairs[0]![1].setMtu(1400)
  await waitUntil('some of them', isRight)
})

function consumerInDocs(): string[] {
  const blocks = readFileSync(DOC, 'utf8').matchAll(/^```ts\n(.*?)^```$/gms)
  const consumer = [...blocks].map(([, code]) => code!).find(code => code.includes('new Map'))
  assert.ok(consumer, 'the page has no consumer with a table')
  return consumer.split('\n').filter(line => line !== '')
}
