import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { BpfAttr } from '../../src/bpf/command.ts'
import type { TraceForm } from '../../src/sync.ts'
import { SystemError } from '../../src/wire/errors.ts'
import { OWN_NETNS } from '../../src/wire/netns.ts'
import { ask } from '../../src/wire/operation.ts'
import { noKernelBtf } from '../bpf/lab.ts'
import { bpfDescriptors } from '../tools/descriptors.ts'
import { needsRoot } from '../tools/netns.ts'
import { real } from '../tools/real.ts'
import { EXTENSION, LOADER, often } from '../tools/this-run.ts'
import { testWithTracefs } from '../tools/tracefs.ts'

const skip = needsRoot || noKernelBtf

test('a trace in a worker thread ends with it', { skip }, async () => {
  const before = bpfDescriptors()
  for (let i = 0; i < often(10, 2); i++) {
    const worker = new Worker(OPEN_AND_STAY, { eval: true, workerData: LIBRARY })
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
    assert.ok(bpfDescriptors() > before)
    await worker.terminate()
  }
  for (let patience = 200; bpfDescriptors() > before; patience--) {
    assert.ok(patience > 0, `${bpfDescriptors()} descriptors, ${before} before`)
    await sleep(10)
  }
})

for (const by of ['raw tracepoints', 'perf events'] as const) {
  const killed = async (t: TestContext) => {
    const child = await tracing(t, by)
    const [programs, links] = [programsOf(child.pid!), linksOf(child.pid!)]
    assert.equal(programs.length, 6, `${programs}`)
    assert.equal(links.length, by === 'perf events' ? 0 : 6)
    child.kill('SIGKILL')
    const left = () => [
      ...programs.filter(id => isThere('program', id)),
      ...links.filter(id => isThere('link', id)),
    ]
    for (let patience = 500; left().length > 0; patience--) {
      assert.ok(patience > 0, `${left()} are left`)
      await sleep(10)
    }
  }
  const name = `of a process that is killed nothing is left: ${by}`
  if (by === 'perf events') testWithTracefs(name, killed)
  else test(name, { skip }, killed)
}

const LIBRARY = {
  library: join(import.meta.dirname, `../../src/sync${EXTENSION}`),
  // register() of tsx, where the library is TypeScript.
  loader: import.meta.resolve(LOADER.length > 0 ? 'tsx/esm/api' : 'node:path'),
}
const OPEN_AND_STAY = `
  const { parentPort, workerData } = require('node:worker_threads')
  import(workerData.loader).then(({ register }) => register?.()).then(() => import(workerData.library)).then(library => {
    const trace = library.traceRedirects()
    parentPort.postMessage('open')
    parentPort.once('message', () => trace.close())
  })`

/** A process that traces until it is killed. */
async function tracing(t: TestContext, by: TraceForm): Promise<ChildProcess> {
  const script = `import(${JSON.stringify(LIBRARY.library)}).then(({ traceRedirects }) => {
    traceRedirects({ by: '${by}' }); console.log('open'); setInterval(() => {}, 1e6) })`
  const child = spawn(process.execPath, [...LOADER, '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  await new Promise((resolve, reject) => {
    child.stdout.once('data', resolve)
    child.once('exit', () => reject(new Error('it ended by itself')))
  })
  return child
}

/** The programs that its links and perf events hold, by id. Source: BPF_TASK_FD_QUERY, kernel/bpf/syscall.c. */
function programsOf(pid: number): number[] {
  const TASK_FD_QUERY = { command: 20, pid: 0, fd: 4, prog_id: 24, size: 48 }
  const found: number[] = []
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    const attr = new BpfAttr(TASK_FD_QUERY.size).u32(TASK_FD_QUERY.pid, pid).u32(TASK_FD_QUERY.fd, Number(fd))
    try {
      callBpf(TASK_FD_QUERY.command, attr)
      found.push(attr.readU32(TASK_FD_QUERY.prog_id))
    } catch (error) {
      if (!(error instanceof SystemError)) throw error // another kind of descriptor
    }
  }
  return found
}

function linksOf(pid: number): number[] {
  const infos = readdirSync(`/proc/${pid}/fdinfo`).map(fd =>
    readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8'),
  )
  return infos.flatMap(info => [...info.matchAll(/^link_id:\s*(\d+)$/gm)].map(([, id]) => Number(id)))
}

/** BPF_PROG_GET_NEXT_ID and BPF_LINK_GET_NEXT_ID, from the id before. */
function isThere(what: 'program' | 'link', id: number): boolean {
  const attr = new BpfAttr(12).u32(0, id - 1)
  try {
    callBpf(what === 'program' ? 11 : 31, attr)
    return attr.readU32(4) === id
  } catch (error) {
    if (error instanceof SystemError && error.code === 'ENOENT') return false
    throw error
  }
}

/** For commands that the library does not use. */
function callBpf(command: number, { bytes }: BpfAttr): void {
  real(ask<'bpf'>({ kind: 'bpf', netns: OWN_NETNS, command, attr: bytes, pointers: [], writes: false }))
}
