import type { Case } from './case.ts'
import { addressOf, type Traffic } from './measure.ts'
import { uninterrupted } from './pinned-threads.ts'
import type { CaseResult } from './results.ts'
import type { Scene } from './scene.ts'
import { tracedWhile } from './traced.ts'

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

async function trace({ generator, nic }: Scene, traffic: Traffic): Promise<CaseResult['traced']> {
  if (generator === null) return null
  const destination = await addressOf(nic)
  return await tracedWhile(nic, () => generator.send({ ...traffic, destination }))
}
