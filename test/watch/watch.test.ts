import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { PromiseKernel } from '../../src/kernel/async-kernel.ts'
import { run } from '../../src/kernel/kernel.ts'
import type { Table } from '../../src/watch/table.ts'
import { type Perform, Watch, type Watched } from '../../src/watch/watch.ts'
import type { Operation } from '../../src/wire/operation.ts'
import { until } from '../tools/until.ts'

type Objects = Table<string, string>

/** A part that is asked for every so often, as if messages were about it. */
const BUSY = 'busy'

/** Objects that no kernel has: what a list says is up to the test, and what becomes of the table meanwhile. */
class MadeUp implements Watched<string, string> {
  readonly again = { part: BUSY, milliseconds: 1 }
  readonly lists: (readonly string[])[] = []
  over = false
  readonly #list: (table: Objects, parts: readonly string[]) => readonly string[]

  constructor(list: (table: Objects, parts: readonly string[]) => readonly string[]) {
    this.#list = list
  }

  // biome-ignore lint/correctness/useYield: there is nothing to ask.
  *feeds(): Operation<[]> {
    return []
  }

  *list(parts: readonly string[], table: Objects): Operation<[string, string][]> {
    this.lists.push(parts)
    return this.#list(table, parts).map(name => [name, name])
  }

  describe(before: string | null, after: string | null): string {
    return before === null ? `added ${after}` : after === null ? `removed ${before}` : `changed ${after}`
  }

  isOver(): boolean {
    return this.over
  }

  resync(): null {
    return null
  }
}

/** A watch of nothing that could be heard keeps no program alive. */
function watchIn(t: TestContext, made: MadeUp, perform: Perform = asked): Watch<string, string> {
  const alive = setInterval(() => {}, 1000)
  t.after(() => clearInterval(alive))
  return new Watch(made, perform, {})
}

/** A kernel takes its time, and is not asked for what is not wanted any more. */
const asked: Perform = async (operation, { signal }) => {
  await new Promise(resolve => setImmediate(resolve))
  signal?.throwIfAborted()
  return await run(operation, new PromiseKernel())
}

test('a watch whose last namespace ends while a list is under way tells of all that went with it', async t => {
  let tableOf: (table: Objects) => void
  const begun = new Promise<Objects>(resolve => (tableOf = resolve))
  const made = new MadeUp((table, parts) => {
    if (made.over) return []
    if (parts.includes('')) return [BUSY, 'other']
    tableOf(table)
    return [BUSY]
  })
  /** The first list of a part is not answered before the test says so. */
  let answer = () => {}
  const held = new Promise<void>(resolve => (answer = resolve))
  const perform: Perform = async (operation, limits) => {
    const answered = await asked(operation, limits)
    if (made.lists.length === 2) await held
    return answered
  }
  const watch = watchIn(t, made, perform)
  const told = [await watch.next(), await watch.next()]
  const table = await begun
  made.over = true
  table.removePart('')
  told.push(await watch.next())
  const last = watch.next()
  answer()
  told.push(await last, await watch.next())
  assert.deepEqual(
    told.map(({ value }) => value),
    ['added busy', 'added other', 'removed other', 'removed busy', undefined],
  )
})

for (const part of ['', 'doubtful'])
  test(`what is doubted is asked for, also where it is never quiet: '${part}'`, async t => {
    const made = new MadeUp((table, parts) => {
      table.ask(BUSY) // so that there is always something to list
      if (made.lists.length === 1) for (let i = 0; i < 1000; i++) table.askLater(`before it ${i}`)
      if (made.lists.length === 1) table.askLater(part)
      return parts
    })
    const watch = watchIn(t, made)
    await watch.next()
    await until(() => made.lists.slice(1).some(parts => parts.includes(part)))
    assert.ok(made.lists.length < 1000, `only in list ${made.lists.length}`)
    await watch.return()
  })
