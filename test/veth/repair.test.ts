import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { runSync } from '../../src/kernel/kernel.ts'
import { SyncKernel } from '../../src/kernel/sync-kernel.ts'
import { repairRedirect } from '../../src/veth/repair.ts'
import { undoRepair } from '../../src/veth/undo.ts'
import { NETLINK_GENERIC } from '../../src/wire/netlink.ts'
import type { Answer, Answers, Ask, Failed } from '../../src/wire/operation.ts'
import { type AnyDevice, type Api, forms, formsHere } from '../api/forms.ts'
import { kernelHas, needsGroNapi } from '../tools/kernel-needs.ts'
import { execIn, needsRoot, ownNetns } from '../tools/netns.ts'
import { settingsOf } from '../walk/settings.ts'

const root = { skip: needsRoot }
const gro = { skip: needsRoot || needsGroNapi }

interface Pair {
  readonly T: AnyDevice
  readonly P: AnyDevice
}

/** Two ends in two namespaces with two queues each; up unless said otherwise. */
async function pairOf(api: Api, t: TestContext, up = true): Promise<Pair> {
  const end = { up, rxQueues: 2, txQueues: 2, addrGenMode: 'none' } as const
  const peer = { name: 'P', netns: ownNetns(t), ...end }
  const [T, P] = await api.createVethPair({ name: 'T', netns: ownNetns(t), ...end, peer })
  return { T, P }
}

async function settings({ T, P }: Pair) {
  return [await settingsOf(T), await settingsOf(P)]
}

for (const [form, api] of formsHere) {
  test(`${form}: a dry run says what would be done and does nothing`, gro, async t => {
    const pair = await pairOf(api, t, false)
    const before = await settings(pair)
    const repair = await pair.T.repairRedirect({ dryRun: true })
    assert.deepEqual(
      repair.steps.map(({ action }) => action),
      ['target up', 'peer up', 'gro on'],
    )
    assert.deepEqual([repair.after, repair.probe], [null, null])
    assert.deepEqual(repair.before, await pair.T.explainRedirect())
    await repair.undo()
    assert.deepEqual(await settings(pair), before)
  })

  test(`${form}: a repair is proven by frames when that is asked for`, gro, async t => {
    const pair = await pairOf(api, t)
    const { probe } = await pair.T.repairRedirect({ probe: true })
    assert.deepEqual([probe?.sent, probe?.delivered, probe?.code], [64, 64, null])
  })

  test(`${form}: undoing leaves every setting as it was, and a second time changes nothing`, gro, async t => {
    const pair = await pairOf(api, t, false)
    const before = await settings(pair)
    const repair = await pair.T.repairRedirect()
    assert.notDeepEqual(await settings(pair), before)
    await repair.undo()
    assert.deepEqual(await settings(pair), before)
    await repair.undo()
    assert.deepEqual(await settings(pair), before)
  })

  test(`${form}: a target with too few queues gets as many as its peer sends on`, {
    skip: needsRoot || (kernelHas(6, 3) ? false : 'needs xdp-features, Linux 6.3'),
  }, async t => {
    const pair = await pairOf(api, t)
    await pair.P.setFeature('gro', true)
    await pair.T.setChannels({ rx: 1 })
    const before = await settings(pair)
    const { summary } = await pair.T.explainRedirect()
    assert.match(summary, /has no xdp-features, since its peer sends on 2 queues and it receives on 1/)
    const repair = await pair.T.repairRedirect({ probe: true })
    assert.deepEqual(
      repair.steps.map(({ action, device, channels }) => [action, device, channels]),
      [['set channels', 'T', { rx: 2 }]],
    )
    await repair.undo()
    assert.deepEqual(await settings(pair), before)
    assert.equal((await pair.T.explainRedirect()).code, 'EOPNOTSUPP')
  })

  test(`${form}: a native program at the peer outlives the call, and undo() takes it off`, root, async t => {
    const pair = await pairOf(api, t)
    const before = await settings(pair)
    // XDP_TX needs it on every kernel; before 5.13 redirects do.
    const repair = await pair.T.repairRedirect({ via: 'tx', allow: ['native program'] })
    assert.equal((await pair.P.getXdp()).mode, 'native')
    assert.equal((await pair.T.probeRedirect()).delivered, 64)
    await repair.undo()
    assert.deepEqual(await settings(pair), before)
  })

  test(`${form}: what is not allowed is not done, nor is anything before it`, root, async t => {
    const pair = await pairOf(api, t)
    await pair.P.down()
    const before = await settings(pair)
    await assert.rejects(
      async () => await pair.T.repairRedirect({ via: 'tx' }),
      (error: InstanceType<Api['RepairError']>) => {
        assert.ok(error instanceof api.RepairError)
        assert.equal(error.step?.action, 'native program')
        assert.match(
          error.message,
          /must be allowed: it occupies the XDP slot of P; allow: \['native program'\]/,
        )
        return true
      },
    )
    assert.deepEqual(await settings(pair), before)
  })

  test(`${form}: when a step fails the ones before it are taken back, and the error says which`, {
    skip: needsRoot || (kernelHas(5, 15) ? false : 'needs channels of a veth, Linux 5.15'),
  }, async t => {
    const pair = await pairOf(api, t)
    await pair.P.setChannels({ rx: 1 }) // fewer than T sends on: no program can be attached
    await pair.P.down()
    const before = await settings(pair)
    await assert.rejects(
      async () => await pair.T.repairRedirect({ via: 'tx', allow: ['native program'] }),
      (error: InstanceType<Api['RepairError']>) => {
        assert.ok(error instanceof api.RepairError)
        assert.equal(error.step?.action, 'native program')
        assert.match(error.message, /attachXdp.* failed: ENOSPC: .*XDP expects number of rx queues/)
        return true
      },
    )
    assert.deepEqual(await settings(pair), before)
  })

  test(`${form}: undo() says so when somebody has replaced the program, and leaves theirs`, root, async t => {
    const pair = await pairOf(api, t)
    const repair = await pair.T.repairRedirect({ via: 'tx', allow: ['native program'] })
    const [ours] = (await pair.P.getXdp()).programs
    const theirs = await pair.P.attachXdp(api.xdpDrop(), { replaces: ours!.id })
    await repair.undo()
    assert.equal((await pair.P.getXdp()).programs[0]?.id, theirs.programId)
  })

  test(
    `${form}: undo() leaves a device alone that has the index of the one that was repaired`,
    gro,
    async t => {
      const netns = ownNetns(t)
      const quiet = { up: true, addrGenMode: 'none' } as const
      const [T, P] = await api.createVethPair({
        name: 'T',
        netns: ownNetns(t),
        ...quiet,
        peer: { name: 'P', netns, ...quiet },
      })
      const { index } = await P.getLink()
      const repair = await T.repairRedirect()
      await P.move(ownNetns(t))
      await assert.rejects(
        async () => await repair.undo(),
        /'gro' of P .* is not taken back: the device is not there/,
      )
      execIn(
        netns,
        'ip',
        'link',
        'add',
        'name',
        'other',
        'index',
        `${index}`,
        'type',
        'veth',
        'peer',
        'name',
        'others',
      )
      const other = api.device('other', { netns })
      await other.setFeature('gro', true)
      await assert.rejects(async () => await repair.undo(), /its index \d+ is another device's by now/)
      assert.equal((await other.getFeatures()).gro.wanted, true)
    },
  )

  test(`${form}: the probe after a repair goes the way that was judged`, gro, async t => {
    const netns = ownNetns(t)
    const [nic] = await api.createVethPair({ name: 'nic', netns, up: true, peer: { name: 'wire', up: true } })
    await nic.attachXdp(api.xdpPass(), { mode: 'generic' })
    const [T] = await api.createVethPair({ name: 'T', netns, up: true, peer: { name: 'P' } })
    const { steps, before, probe } = await T.repairRedirect({ from: 'nic', probe: true })
    assert.equal(before.way.mode, 'generic')
    assert.deepEqual(
      [steps.map(({ action }) => action), probe?.by, probe?.delivered],
      [['peer up'], 'veth', 64],
    )
  })

  test(`${form}: wrong options are refused before anything is asked`, async () => {
    const lo = api.device('lo')
    for (const [options, message] of [
      [{ allow: ['everything'] }, /allow takes 'native program' and 'target down and up', not 'everything'/],
      [{ allow: 'native program' }, /allow must be a list/],
      [{ dryRun: 1 }, /dryRun must be true or false, not 1/],
      [{ probe: true, via: 'tx' }, /what goes via 'tx' cannot be probed/],
      [{ probe: true, multiBuffer: true }, /a probe's frames lie in several buffers beyond 3500 bytes/],
      [{ via: 'xmit' }, /via must be 'redirect' or 'broadcast' or 'tx', not 'xmit'/],
      [{ mode: 'skb' }, /mode must be 'native' or 'generic', not 'skb'/],
      [{ multiBuffer: 'yes' }, /multiBuffer must be true or false, not 'yes'/],
      [{ from: 'eth0', via: 'tx' }, /from has no place there/],
    ] as const) {
      await assert.rejects(async () => await lo.repairRedirect(options as never), {
        name: 'TypeError',
        message,
      })
    }
  })
}

test('where a program keeps the driver from looking again, the target goes down and up', {
  skip: needsRoot || (kernelHas(6, 3) ? false : 'needs xdp-features, Linux 6.3'),
}, async t => {
  const [, api] = forms.at(-1)!
  const { T, P } = (await pairOf(api, t)) as Pair
  await P.attachXdp(api.xdpPass())
  const kernel = new ForgetfulKernel()
  const ref = { netns: T.netns, device: 'T' }
  assert.throws(
    () => runSync(repairRedirect(ref, {}), kernel),
    /'target down and up' is needed, and must be allowed: it drops what T carries/,
  )
  const { result, undo } = runSync(repairRedirect(ref, { allow: ['target down and up'] }), kernel)
  assert.deepEqual(
    result.steps.map(({ action }) => action),
    ['target down and up'],
  )
  assert.equal((await T.getLink()).up, true)
  runSync(undoRepair(undo), kernel)
  assert.equal((await T.getLink()).up, true)
})

/** A kernel that leaves the target's xdp-features behind until a link goes up: which no real one was seen to do. */
class ForgetfulKernel extends SyncKernel {
  #lookedAgain = false

  override answer(question: Ask): Answer {
    if (question.kind === 'together') {
      return question.questions.map(one => this.answer(one) as Answers['netlink'] | Failed)
    }
    if (question.kind !== 'netlink') return super.answer(question)
    if (question.protocol === NETLINK_GENERIC && !this.#lookedAgain)
      return super.answer(withoutBits(question))
    if (question.writes) this.#lookedAgain = true
    return super.answer(question)
  }
}

/** NETDEV_A_DEV_XDP_FEATURES, the one attribute of 8 bytes numbered 3 in the answers to these questions. */
function withoutBits(question: Extract<Ask, { kind: 'netlink' }>): Ask {
  return {
    ...question,
    each(view, at, end, type) {
      for (let where = at + 4; where + 12 <= end; where += 4) {
        if (view.getUint16(where, true) === 12 && view.getUint16(where + 2, true) === 3)
          view.setUint32(where + 4, 0x23, true)
      }
      question.each(view, at, end, type)
    },
  }
}
