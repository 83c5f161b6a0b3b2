import assert from 'node:assert/strict'
import { needsGroNapi } from '../tools/kernel-needs.ts'
import { needsRoot, ownNetns } from '../tools/netns.ts'
import { asNobody, needsSetpriv, testAgain, testUnprivileged } from './again.ts'
import { type Api, forms, formsHere } from './forms.ts'

/** Runs the body as nobody, in a namespace where a veth pair is. */
function testInLab(name: string, body: () => Promise<void>, skip: string | false = false): void {
  testAgain(
    name,
    needsRoot || needsSetpriv() || skip,
    async t => {
      const netns = ownNetns(t)
      await forms[1]![1].createVethPair({ name: 'a', netns, up: true, peer: { name: 'b', up: true } })
      return ['nsenter', `--net=/proc/${process.pid}/fd/${netns.fd}`, ...asNobody()]
    },
    body,
  )
}

async function unlessUnsupported<T>(api: Api, read: () => Promise<T[]> | T[]): Promise<T[]> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof api.UnsupportedError) return []
    throw error
  }
}

const FEW = ['+net_admin', '+bpf', '+perfmon']

for (const [form, api] of formsHere) {
  testAgain(
    `${form}: who may attach a program may also take it off`,
    needsRoot || needsSetpriv(...FEW),
    async t => {
      const netns = ownNetns(t)
      await forms[1]![1].createVethPair({ name: 'a', netns, up: true, peer: { name: 'b', up: true } })
      return ['nsenter', `--net=/proc/${process.pid}/fd/${netns.fd}`, ...asNobody(...FEW)]
    },
    async () => {
      const a = api.device('a')
      const handle = await a.attachXdp(api.xdpPass())
      assert.equal((await a.getXdp()).mode, 'native')
      await handle.detach()
      assert.equal((await a.getXdp()).mode, 'none')
    },
  )

  testUnprivileged(`${form}: reading needs no privilege`, async () => {
    const lo = api.device('lo')
    const { name, index } = await lo.getLink()
    assert.deepEqual([name, index], ['lo', 1])
    assert.ok((await api.listLinks()).some(link => link.name === 'lo'))
    assert.equal((await lo.getFeatures())['tx-checksum-ip-generic']?.active, true)
    assert.deepEqual(await unlessUnsupported(api, () => lo.getXdpFeatures()), [])
    assert.deepEqual(await unlessUnsupported(api, () => lo.getNapi()), [])
    assert.deepEqual(await lo.getXdp(), { mode: 'none', programs: [] })
    assert.ok(Array.isArray(await api.listVethPairs()))
  })

  testUnprivileged(`${form}: making a namespace names the capability that is missing`, async () => {
    await assert.rejects(async () => await api.createNetns(), { code: 'EPERM', message: /CAP_SYS_ADMIN/ })
  })

  testInLab(`${form}: a change names the capability that is missing`, async () => {
    const a = api.device('a')
    const changes: (() => unknown)[] = [
      () => a.down(),
      () => a.setMtu(1400),
      () => a.rename('c'),
      () => a.delete(),
      () => a.setFeature('gro', true),
      () => a.setChannels({ rx: 1 }),
      () => api.createVethPair({ name: 'c', peer: 'd' }),
    ]
    for (const change of changes) {
      await assert.rejects(async () => await change(), {
        name: 'NetlinkError',
        code: 'EPERM',
        message: /CAP_NET_ADMIN/,
      })
    }
    assert.equal((await a.getLink()).up, true)
  })

  testInLab(`${form}: a verdict needs no privilege`, async () => {
    const { delivers, checks } = await api.device('a').explainRedirect()
    assert.equal(delivers, false)
    assert.ok(checks.some(({ name, ok }) => name === 'peer NAPI' && ok === false))
  })

  testInLab(`${form}: a probe or a program without privilege is EPERM`, async () => {
    const a = api.device('a')
    await assert.rejects(async () => await a.probeRedirect(), { code: 'EPERM' })
    await assert.rejects(async () => await a.attachXdp(api.xdpPass()), { code: 'EPERM' })
    await assert.rejects(async () => await api.countRedirects(), { code: 'EPERM' })
  })

  testInLab(
    `${form}: a repair without privilege fails as its step`,
    async () => {
      await assert.rejects(
        async () => await api.device('a').repairRedirect(),
        (error: Error) => {
          assert.ok(error instanceof api.RepairError)
          assert.equal(error.step?.action, 'gro on')
          assert.match(error.message, /CAP_NET_ADMIN/)
          return true
        },
      )
    },
    needsGroNapi,
  )
}
