import { release } from 'node:os'
import { parseArgs } from 'node:util'
import { SystemError } from '../index.ts'
import { printEnd, printRound, printScene, printVerdict } from './demo-report.ts'
import { buildScene, type Round, send } from './scene.ts'

const FRAMES = 20_000

/** Shows a redirect that fails, says why, repairs it and proves it, all in private network namespaces. */
async function demo(json: boolean): Promise<boolean> {
  const tell = (print: () => void) => (json ? undefined : print())
  const scene = await buildScene()
  const { nic0, veth, eth0 } = scene

  tell(() => printScene(release(), scene))
  const verdict = await veth.explainRedirect()
  const before = await send(scene, 'native', FRAMES)
  tell(() => printRound('1. native mode, eth0 as the kernel made it', before))
  tell(() => printVerdict(verdict))

  const peer = await veth.getVethPeer()
  const change = await peer.setFeature('gro', true)
  const cured = await veth.explainRedirect()
  const after = await send(scene, 'native', FRAMES)
  tell(() => printRound(`2. native mode, after await peer.setFeature('gro', true)`, after))

  // Without a native program nic0 needs GRO itself to take the frames that gen0 puts onto the wire.
  await eth0.setFeature('gro', false)
  await nic0.setFeature('gro', true)
  const generic = await send(scene, 'generic', FRAMES)
  tell(() => printRound('3. generic mode, GRO off again at eth0', generic))

  const ok =
    verdict.delivers === (before.delivered === before.sent) &&
    verdict.code === (before.failure?.code ?? null) &&
    (verdict.where?.tracepoint ?? null) === (before.failure?.tracepoint ?? null) &&
    cured.delivers === (after.delivered === after.sent) &&
    after.delivered === after.sent &&
    generic.delivered === generic.sent
  if (json) {
    const document = {
      ok,
      kernel: release(),
      before: { verdict, ...outcome(before), code: before.failure?.code ?? null },
      repair: { ...verdict.repairs[0], ...change },
      after: { verdict: cured, ...outcome(after), code: after.failure?.code ?? null },
      generic: outcome(generic),
    }
    console.log(JSON.stringify(document, null, 2))
  } else {
    printEnd(before, after, generic, ok)
  }
  return ok
}

function outcome({ sent, delivered }: Round) {
  return { sent, delivered }
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } })
  try {
    process.exitCode = (await demo(values.json)) ? 0 : 1
  } catch (error) {
    if (!(error instanceof SystemError && error.code === 'EPERM')) throw error
    console.error(
      'The demo makes network namespaces and loads BPF programs, which needs root: sudo npm run demo',
    )
    console.error(`(${error.message})`)
    process.exitCode = 1
  }
}

main()
