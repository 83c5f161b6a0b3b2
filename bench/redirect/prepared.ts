import type { Case } from './case.ts'
import { attachPrograms, attachSink } from './programs.ts'
import type { Scene } from './scene.ts'

/** Sets the scene for a case, does something in it, and takes the programs off again. */
export async function prepared<T>(scene: Scene, what: Case, use: () => Promise<T>): Promise<T> {
  await preparePeer(scene, what.peer)
  const detach = await attachPrograms(scene, what)
  try {
    return await use()
  } finally {
    await detach()
  }
}

/** What the peer is but for its program. */
export async function preparePeer(scene: Scene, peer: Case['peer']): Promise<void> {
  await scene.setFeature(scene.peer, 'gro', peer === 'gro')
}

/** For a generator's ceiling: the NIC drops all that comes, natively, and its own counter is the last. */
export async function withSink<T>(scene: Scene, use: (sink: Scene) => Promise<T>): Promise<T> {
  const detach = await attachSink(scene)
  try {
    return await use({ ...scene, target: scene.nic, peer: scene.nic })
  } finally {
    await detach()
  }
}
