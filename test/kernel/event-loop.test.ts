import assert from 'node:assert/strict'
import { createHook } from 'node:async_hooks'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { PromiseKernel } from '../../src/kernel/async-kernel.ts'

import { type Ask, isFailure } from '../../src/wire/operation.ts'
import { compiled, needsCompiler } from '../tools/compiler.ts'

const kernel = new PromiseKernel()

/** How often the event loop is given back while something is listed. */
async function pausesWhile(question: Ask): Promise<number> {
  let pauses = 0
  const hook = createHook({ init: (_, type) => (pauses += type === 'Immediate' ? 1 : 0) }).enable()
  const answer = await kernel.answer(question)
  hook.disable()
  assert.ok(!isFailure(answer))
  return pauses
}

async function manyThreads(t: TestContext): Promise<number> {
  const child = spawn(compiled(t, join(import.meta.dirname, 'many-threads.c'), '-pthread'))
  t.after(() => child.stdin.end())
  const [count] = await once(child.stdout, 'data')
  return Number(count)
}

test('a process of many threads is looked through in slices', { skip: needsCompiler }, async t => {
  const threads = await manyThreads(t)
  assert.ok(threads > 500, `${threads}`)
  const byProcess = await pausesWhile({ kind: 'namespaces', held: 'by process' })
  const byThread = await pausesWhile({ kind: 'namespaces', held: 'by thread' })
  assert.ok(byThread - byProcess > threads / 100, `${byThread} and ${byProcess}`)
})

for (const path of ['kernel/notes', 'kernel/none']) {
  test(`while a file of the kernel is read others have their turn: ${path}`, async () => {
    let turned = false
    setImmediate(() => {
      turned = true
    })
    const answer = await kernel.answer({ kind: 'kernel file', of: 'sysfs', path })
    assert.ok(turned)
    if (path === 'kernel/notes') assert.ok(answer instanceof Uint8Array && answer.length > 0)
    else assert.match(String(isFailure(answer) && answer.failed), /ENOENT.*open: \/sys\/kernel\/none$/)
  })
}
