import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { loadProgram } from '../../src/bpf/program.ts'
import { runSync } from '../../src/kernel/kernel.ts'
import { SyncKernel } from '../../src/kernel/sync-kernel.ts'
import { type Device, type ProgramSource, xdpDrop, xdpPass } from '../../src/sync.ts'
import { OWN_NETNS } from '../../src/wire/netns.ts'
import { ask, type Operation } from '../../src/wire/operation.ts'
import { needsRoot, ownNetns } from '../tools/netns.ts'
import { EXTENSION, LOADER } from '../tools/this-run.ts'
import { testInPrivateMounts } from './again.ts'
import { type AnyDevice, type Api, forms, formsHere } from './forms.ts'

const root = { skip: needsRoot }

async function veth(api: Api, t: TestContext): Promise<AnyDevice> {
  const [a] = await api.createVethPair({ name: 'a', netns: ownNetns(t), up: true, peer: 'b' })
  return a
}

async function attached(device: AnyDevice): Promise<[mode: string, ...names: (string | null)[]]> {
  const { mode, programs } = await device.getXdp()
  return [mode, ...programs.map(({ name }) => name)]
}

/** A process that attaches a program to device a of our namespace, and then only waits. */
async function attacher(t: TestContext, path: string, lifetime: 'device' | 'process'): Promise<ChildProcess> {
  const library = join(import.meta.dirname, `../../src/sync${EXTENSION}`)
  const script = `
    const { device, xdpPass } = await import(${JSON.stringify(library)})
    globalThis.kept = device('a').attachXdp(xdpPass(), { lifetime: '${lifetime}' })
    console.log('attached')
    process.stdin.resume()`
  const node = [process.execPath, ...LOADER, '--input-type=module', '--eval', script]
  const child = spawn('nsenter', [`--net=${path}`, ...node], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])
  assert.equal(child.exitCode, null)
  return child
}

const BPF_OBJ_PIN = 6

/** union bpf_attr: pathname, bpf_fd. */
function* pin(program: ProgramSource, path: string): Operation<void> {
  const fd = yield* loadProgram(program)
  const attr = new Uint8Array(16)
  new Uint32Array(attr.buffer)[2] = fd
  const pointers = [[0, Buffer.from(`${path}\0`)]] as const
  yield* ask<'bpf'>({ kind: 'bpf', netns: OWN_NETNS, command: BPF_OBJ_PIN, attr, pointers, writes: true })
  closeSync(fd)
}

for (const [form, api] of formsHere) {
  test(`${form}: a program is attached natively when nothing else is said`, root, async t => {
    const a = await veth(api, t)
    assert.deepEqual(await a.getXdp(), { mode: 'none', programs: [] })
    const handle = await a.attachXdp(api.xdpPass())
    const program = { id: handle.programId, mode: 'native', name: 'veth_nl_pass' }
    assert.deepEqual(await a.getXdp(), { mode: 'native', programs: [program] })
    await handle.detach()
    assert.deepEqual(await a.getXdp(), { mode: 'none', programs: [] })
  })

  test(`${form}: a program in generic mode is told as such`, root, async t => {
    const a = await veth(api, t)
    const handle = await a.attachXdp(api.xdpDrop(), { mode: 'generic' })
    assert.deepEqual(await attached(a), ['generic', 'veth_nl_drop'])
    await handle.detach()
    assert.deepEqual(await attached(a), ['none'])
  })

  for (const lifetime of ['device', 'process'] as const) {
    test(
      `${form}: somebody else's program stays when another is attached, lifetime ${lifetime}`,
      root,
      async t => {
        const a = await veth(api, t)
        const theirs = await a.attachXdp(api.xdpPass())
        await assert.rejects(
          async () => await a.attachXdp(api.xdpDrop(), { lifetime }),
          (error: Error & { code?: string }) => ['EBUSY', 'EEXIST'].includes(error.code ?? ''),
        )
        assert.deepEqual(
          (await a.getXdp()).programs.map(({ id }) => id),
          [theirs.programId],
        )
      },
    )
  }

  test(`${form}: a program in the other mode is in the way too`, root, async t => {
    const a = await veth(api, t)
    await a.attachXdp(api.xdpPass())
    await assert.rejects(async () => await a.attachXdp(api.xdpDrop(), { mode: 'generic' }), {
      code: 'EEXIST',
    })
    assert.deepEqual(await attached(a), ['native', 'veth_nl_pass'])
  })

  test(`${form}: a program takes the place of the one whose id is given, and of no other`, root, async t => {
    const a = await veth(api, t)
    const first = await a.attachXdp(api.xdpPass())
    const second = await a.attachXdp(api.xdpDrop(), { replaces: first.programId })
    assert.deepEqual(await attached(a), ['native', 'veth_nl_drop'])
    const [, b] = await api.createVethPair({ name: 'c', netns: a.netns, peer: 'd' })
    const other = await b.attachXdp(api.xdpPass())
    const wrong = { replaces: other.programId }
    await assert.rejects(async () => await a.attachXdp(api.xdpPass(), wrong), { code: 'EEXIST' })
    assert.deepEqual(
      (await a.getXdp()).programs.map(({ id }) => id),
      [second.programId],
    )
  })

  test(`${form}: detaching does not take off what somebody has put in its place`, root, async t => {
    const a = await veth(api, t)
    const ours = await a.attachXdp(api.xdpPass())
    await a.attachXdp(api.xdpDrop(), { replaces: ours.programId })
    await assert.rejects(async () => await ours.detach())
    assert.deepEqual(await attached(a), ['native', 'veth_nl_drop'])
  })

  test(`${form}: a program of lifetime 'process' goes when it is detached`, root, async t => {
    const a = await veth(api, t)
    const handle = await a.attachXdp(api.xdpPass(), { lifetime: 'process' })
    assert.deepEqual(await attached(a), ['native', 'veth_nl_pass'])
    await handle.detach()
    assert.deepEqual(await attached(a), ['none'])
  })

  test(
    `${form}: a program that is open already is attached, and its descriptor stays the caller's`,
    root,
    async t => {
      const a = await veth(api, t)
      const fd = runSync(loadProgram(xdpDrop()), new SyncKernel())
      await a.attachXdp({ fd })
      assert.deepEqual(await attached(a), ['native', 'veth_nl_drop'])
      closeSync(fd)
    },
  )

  test(`${form}: a program that the verifier refuses is a ProgramError with its log`, root, async t => {
    const a = await veth(api, t)
    const program = { ...api.xdpPass(), code: api.xdpPass().code.slice(1) }
    await assert.rejects(
      async () => await a.attachXdp(program),
      (error: Error) => {
        assert.ok(error instanceof api.ProgramError)
        assert.match(error.message, /R0 !read_ok/)
        return true
      },
    )
  })

  test(`${form}: the kernel's reason for refusing a program is told`, root, async t => {
    const [a, b] = await api.createVethPair({ name: 'a', netns: ownNetns(t), peer: { name: 'b', mtu: 9000 } })
    await assert.rejects(
      async () => await a.attachXdp(api.xdpPass()),
      (error: Error) => {
        assert.ok(error instanceof api.NetlinkError)
        assert.equal(error.code, 'ERANGE')
        assert.match(error.reason, /Peer MTU is too large to set XDP$/)
        return true
      },
    )
    await b.setMtu(1500)
    await a.attachXdp(api.xdpPass())
  })

  test(`${form}: a program cannot both replace another and go with the process`, root, async t => {
    const a = await veth(api, t)
    const options = { lifetime: 'process', replaces: 1 } as const
    await assert.rejects(async () => await a.attachXdp(api.xdpPass(), options), TypeError)
  })

  testInPrivateMounts(`${form}: a pinned program is attached by its path`, async () => {
    mkdirSync('/run/bpf')
    execFileSync('mount', ['-t', 'bpf', 'none', '/run/bpf'])
    runSync(pin(xdpPass(), '/run/bpf/pass'), new SyncKernel())
    const netns = await api.createNetns()
    const [a] = await api.createVethPair({ name: 'a', netns, peer: 'b' })
    await a.attachXdp({ pinned: '/run/bpf/pass' })
    assert.deepEqual(await attached(a), ['native', 'veth_nl_pass'])
    await assert.rejects(async () => await a.attachXdp({ pinned: '/run/bpf/none' }), { code: 'ENOENT' })
  })
}

test("a program of lifetime 'process' goes with a process that is killed", root, async t => {
  const a = (await veth(forms[1]![1], t)) as Device
  const child = await attacher(t, `/proc/${process.pid}/fd/${fdOf(a)}`, 'process')
  assert.equal(a.getXdp().mode, 'native')
  child.kill('SIGKILL')
  await once(child, 'exit')
  for (let patience = 100; a.getXdp().mode !== 'none' && patience > 0; patience--) await sleep(20)
  assert.equal(a.getXdp().mode, 'none')
})

test("a program of lifetime 'device' stays when its process is killed", root, async t => {
  const a = (await veth(forms[1]![1], t)) as Device
  const child = await attacher(t, `/proc/${process.pid}/fd/${fdOf(a)}`, 'device')
  child.kill('SIGKILL')
  await once(child, 'exit')
  await sleep(200)
  assert.equal(a.getXdp().mode, 'native')
})

function fdOf({ netns }: AnyDevice): string {
  return netns.path.replace('/proc/self/fd/', '')
}
