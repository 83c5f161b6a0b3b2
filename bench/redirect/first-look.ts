import { countRedirects, type RedirectCount } from '../../src/index.ts'
import type { Case } from './case.ts'
import { addressOf, type Traffic } from './measure.ts'
import { uninterrupted } from './pinned-threads.ts'
import type { CaseResult } from './results.ts'
import type { Scene } from './scene.ts'

/** What is found out about a case before it is timed; it is prepared. */
export type FirstLook = Pick<CaseResult, 'explained' | 'traced'>

const TRACED_FRAMES = 4000

/** The verdict, and what the kernel's tracepoints report of some frames: nothing here is timed. */
export async function lookFirst(scene: Scene, traffic: Traffic, { mode }: Case): Promise<FirstLook> {
  const { index } = await scene.nic.getLink()
  // What another machine sends has no size that is known.
  const sized = traffic.size === 0 ? {} : { frameSize: traffic.size }
  const verdict = await scene.target.explainRedirect({ mode, ...sized, from: index })
  const { delivers, code, summary } = verdict
  return {
    explained: { reason: delivers === true ? null : { code, summary } },
    traced: await uninterrupted(() => trace(scene, { ...traffic, frames: TRACED_FRAMES })),
  }
}

async function trace(scene: Scene, traffic: Traffic): Promise<CaseResult['traced']> {
  const { generator, nic } = scene
  if (generator === null) return null
  const destination = await addressOf(nic)
  const counter = await countRedirects()
  try {
    const { sent } = await generator.send({ ...traffic, destination })
    // Live frames are redirected themselves, into the device that they are sent out of.
    return tracedOf(await counter.read(), generator.name === 'live frames' ? sent : 0)
  } finally {
    await counter.close()
  }
}

function tracedOf(counts: readonly RedirectCount[], fed: number): NonNullable<CaseResult['traced']> {
  const traced = counts.flatMap(({ tracepoint, code, accepted, refused }) => {
    const taken = { tracepoint, code: null, frames: Math.max(0, accepted - fed) }
    return [taken, { tracepoint, code, frames: refused }]
  })
  return traced.filter(({ frames }) => frames > 0)
}
