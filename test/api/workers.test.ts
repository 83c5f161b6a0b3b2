import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { createNetns, createVethPair, listLinks } from '../../src/sync.ts'
import { needsRoot } from '../tools/netns.ts'
import { EXTENSION, LOADER } from '../tools/this-run.ts'

/** In a namespace of its own, pair after pair, each with another MTU; answers what was not as it should be. */
const ROUNDS = `
  const { parentPort, workerData } = require('node:worker_threads')
  import(workerData.loader).then(({ register }) => register?.()).then(() => import(workerData.library)).then(library => {
    const { createNetns, createVethPair, listLinks } = library
    const netns = createNetns()
    const wrong = []
    for (let i = 0; i < 50; i++) {
      const [a, b] = createVethPair({ name: workerData.name, mtu: 1000 + i, netns, peer: 'peer' })
      const { mtu, name } = a.getLink()
      if (mtu !== 1000 + i || name !== workerData.name) wrong.push([i, name, mtu])
      if (a.getVethPeer().index !== b.index) wrong.push([i, 'peer'])
      if (listLinks({ netns }).filter(link => link.kind === 'veth').length !== 2) wrong.push([i, 'links'])
      b.delete()
    }
    netns.remove()
    parentPort.postMessage(wrong)
  })`

function worker(name: string): Promise<unknown> {
  const library = join(import.meta.dirname, `../../src/sync${EXTENSION}`)
  // register() of tsx, where the library is TypeScript.
  const loader = import.meta.resolve(LOADER.length > 0 ? 'tsx/esm/api' : 'node:path')
  return new Promise((resolve, reject) => {
    const thread = new Worker(ROUNDS, { eval: true, stderr: true, workerData: { library, loader, name } })
    let said = ''
    thread.stderr.on('data', text => {
      said += text
    })
    thread.once('message', wrong => thread.once('exit', () => resolve([wrong, said])))
    thread.once('error', reject)
    thread.once('exit', code => code !== 0 && reject(new Error(`the worker ended with ${code}`)))
  })
}

test('two worker threads and the main one use the library at once', { skip: needsRoot }, async () => {
  const working = Promise.all([worker('one'), worker('two')])
  const netns = createNetns()
  const [a] = createVethPair({ name: 'main', netns, peer: 'peer' })
  for (let i = 0; i < 50; i++) {
    assert.equal((await a.getVethPeer()).name, 'peer')
    assert.equal(listLinks({ netns }).filter(({ kind }) => kind === 'veth').length, 2)
    await new Promise(resolve => setImmediate(resolve))
  }
  netns.remove()
  assert.deepEqual(await working, [
    [[], ''],
    [[], ''],
  ])
})
